package interop

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	client "missioncontrol.dev/client"
	"missioncontrol.dev/client/agent"
	pb "missioncontrol.dev/client/missioncontrolv1"
)

func TestAnAgentInThisProcessRunsTasks(t *testing.T) {
	missioncontrol, ctx := connected(t)
	capability := startAgent(t, func(_ context.Context, work *agent.Work) (*pb.Payload, error) {
		var number int
		if err := work.Decode(&number); err != nil {
			return nil, err
		}
		work.Progress(0.5, "half of it")
		return client.JSON(number * number)
	})
	var ids []string
	for number := range 20 {
		ids = append(ids, submit(ctx, t, missioncontrol, request(t, capability, number)))
	}

	for number, id := range ids {
		task := wait(ctx, t, missioncontrol, id)
		if got := string(task.GetOutput().GetData()); got != fmt.Sprint(number*number) {
			t.Errorf("task %d: %v with output %q", number, task.GetState(), got)
		}
		if task.GetAgentId() != capability || task.GetToken() != 1 {
			t.Errorf("task %d: by %s in attempt %d", number, task.GetAgentId(), task.GetToken())
		}
	}
}

func TestACancelStopsTheWork(t *testing.T) {
	missioncontrol, ctx := connected(t)
	begun, stopped := make(chan struct{}), make(chan error, 1)
	capability := startAgent(t, func(ctx context.Context, _ *agent.Work) (*pb.Payload, error) {
		close(begun)
		<-ctx.Done()
		stopped <- context.Cause(ctx)
		return nil, ctx.Err()
	})
	id := submit(ctx, t, missioncontrol, request(t, capability, nil))
	<-begun

	if _, err := missioncontrol.Cancel(ctx, id, "not needed"); err != nil {
		t.Fatal(err)
	}

	if task := wait(ctx, t, missioncontrol, id); task.GetState() != pb.TaskState_TASK_STATE_CANCELLED {
		t.Errorf("ended %v", task.GetState())
	}
	if cause := <-stopped; cause == nil || cause.Error() != "the task was cancelled" {
		t.Errorf("stopped because %v", cause)
	}
}

func TestAFailureHasItsCodeAndAPanicIsOne(t *testing.T) {
	missioncontrol, ctx := connected(t)
	capability := startAgent(t, func(_ context.Context, work *agent.Work) (*pb.Payload, error) {
		var code string
		if err := work.Decode(&code); err != nil || code == "" {
			panic("asked to")
		}
		return nil, fmt.Errorf("wrapped: %w", &agent.Failure{Message: "no", Code: code, Permanent: true})
	})
	failing := request(t, capability, "MINE")
	panicking := request(t, capability, "")
	panicking.Spec.RetryPolicy = &pb.RetryPolicy{AttemptsMax: 1}

	failed := wait(ctx, t, missioncontrol, submit(ctx, t, missioncontrol, failing))
	panicked := wait(ctx, t, missioncontrol, submit(ctx, t, missioncontrol, panicking))

	if failure := failed.GetFailure(); failure.GetCode() != "MINE" || failure.GetMessage() != "wrapped: no" || failed.GetToken() != 1 {
		t.Errorf("failed with %v", failure)
	}
	if failure := panicked.GetFailure(); failure.GetCode() != "PANIC" {
		t.Errorf("panicked with %v", failure)
	}
}

func TestANewerProcessEndsTheOlder(t *testing.T) {
	config := agent.Config{
		Addresses: address(), ID: "interop-go-twice",
		Handlers: map[string]agent.Handler{kind: func(context.Context, *agent.Work) (*pb.Payload, error) { return nil, nil }},
	}
	older, newer := start(t, config), start(t, config)

	var superseded *agent.SupersededError
	select {
	case err := <-older.ended:
		if !errors.As(err, &superseded) {
			t.Errorf("the older ended with %v", err)
		}
	case err := <-newer.ended:
		t.Errorf("the newer ended with %v", err)
	}
}

type running struct{ ended chan error }

// start runs an agent and returns when a coordinator knows it.
func start(t *testing.T, config agent.Config) running {
	t.Helper()
	missioncontrol, ctx := connected(t)
	before := incarnation(ctx, missioncontrol, config.ID)
	runner, err := agent.New(config)
	if err != nil {
		t.Fatal(err)
	}
	running := running{make(chan error, 1)}
	runContext, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() { running.ended <- runner.Run(runContext) }()
	for ctx.Err() == nil && incarnation(ctx, missioncontrol, config.ID) == before {
		time.Sleep(10 * time.Millisecond)
	}
	return running
}

// incarnation is the newest one of an agent; empty if it is not known.
func incarnation(ctx context.Context, missioncontrol *client.Client, id string) string {
	response, err := missioncontrol.Agents.GetAgent(ctx, &pb.GetAgentRequest{AgentId: id})
	if err != nil {
		return ""
	}
	return response.GetAgent().GetIncarnation()
}
