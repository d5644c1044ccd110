// Package interop tests the client against a real fleet, the one at MISSIONCONTROL_ADDRESS.
package interop

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"

	client "missioncontrol.dev/client"
	"missioncontrol.dev/client/agent"
	pb "missioncontrol.dev/client/missioncontrolv1"
)

const (
	kind = "interop.go"
	// A test that takes longer than this hangs.
	timeMax = 60 * time.Second
)

func TestMain(m *testing.M) {
	if address() == "" {
		fmt.Fprintln(os.Stderr, "SKIPPED, NOTHING WAS TESTED: set MISSIONCONTROL_ADDRESS to the coordinator of a fleet")
		return
	}
	os.Exit(m.Run())
}

func address() string { return os.Getenv("MISSIONCONTROL_ADDRESS") }

func connected(t *testing.T) (*client.Client, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeMax)
	t.Cleanup(cancel)
	return connectedTo(t, address()), ctx
}

func connectedTo(t *testing.T, address string) *client.Client {
	t.Helper()
	missioncontrol, err := client.Connect(address, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { missioncontrol.Close() })
	return missioncontrol
}

// startAgent runs an agent in this process and returns the capability that only it has. At the test's end it drains and leaves.
func startAgent(t *testing.T, handler agent.Handler) (capability string) {
	t.Helper()
	capability = "interop-" + uuid.NewString()
	runner, err := agent.New(agent.Config{
		Addresses: address(), ID: capability, Slots: 4, Capabilities: []string{capability},
		Handlers: map[string]agent.Handler{kind: handler}, DrainTime: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- runner.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the agent ended with %v", err)
		}
	})
	return capability
}

// request is a task that only the agent with this capability can run.
func request(t *testing.T, capability string, input any) *pb.CreateTaskRequest {
	t.Helper()
	payload, err := client.JSON(input)
	if err != nil {
		t.Fatal(err)
	}
	return &pb.CreateTaskRequest{Spec: &pb.TaskSpec{
		Kind: kind, Payload: payload, Requirements: &pb.Requirements{Capabilities: []string{capability}},
	}}
}

func submit(ctx context.Context, t *testing.T, missioncontrol *client.Client, asked *pb.CreateTaskRequest) string {
	t.Helper()
	task, err := missioncontrol.Submit(ctx, asked)
	if err != nil {
		t.Fatal(err)
	}
	return task.GetId()
}

func wait(ctx context.Context, t *testing.T, missioncontrol *client.Client, taskID string) *pb.Task {
	t.Helper()
	task, err := missioncontrol.Wait(ctx, taskID)
	if err != nil {
		t.Fatal(err)
	}
	return task
}
