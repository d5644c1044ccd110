package interop

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	client "missioncontrol.dev/client"
	pb "missioncontrol.dev/client/missioncontrolv1"
)

func refusal(t *testing.T, err error) *client.Error {
	t.Helper()
	var refused *client.Error
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want a *client.Error", err)
	}
	return refused
}

func TestARepeatedSubmitIsTheSameTask(t *testing.T) {
	missioncontrol, ctx := connected(t)
	asked := request(t, "nobody-has-this", nil)
	asked.RequestId = uuid.NewString()

	first, second := submit(ctx, t, missioncontrol, asked), submit(ctx, t, missioncontrol, asked)
	task, err := missioncontrol.Cancel(ctx, first, "the test is over")

	if first != second {
		t.Errorf("%s and %s for one request id", first, second)
	}
	if err != nil || task.GetState() != pb.TaskState_TASK_STATE_CANCELLED {
		t.Errorf("cancelled: %v, %v", task.GetState(), err)
	}
}

func TestAnotherBodyUnderTheSameRequestIDIsRefusedAndTheTaskIsNamed(t *testing.T) {
	missioncontrol, ctx := connected(t)
	asked := request(t, "nobody-has-this", nil)
	asked.RequestId = uuid.NewString()
	taken := submit(ctx, t, missioncontrol, asked)

	asked.Spec.Priority = 7
	_, err := missioncontrol.Submit(ctx, asked)

	refused := refusal(t, err)
	if refused.Code != codes.AlreadyExists || refused.Metadata["task_id"] != taken {
		t.Errorf("got %v with %v", refused, refused.Metadata)
	}
	if _, err := missioncontrol.Cancel(ctx, taken, "the test is over"); err != nil {
		t.Error(err)
	}
}

func TestAnInvalidTaskIsRefusedWithItsFields(t *testing.T) {
	missioncontrol, ctx := connected(t)

	_, err := missioncontrol.Submit(ctx, &pb.CreateTaskRequest{Spec: &pb.TaskSpec{Kind: "no kind!", Priority: 1000}})

	refused := refusal(t, err)
	fields := map[string]string{}
	for _, each := range refused.Fields {
		fields[each.Field] = each.Description
	}
	if refused.Code != codes.InvalidArgument || refused.CodeName() != "INVALID_ARGUMENT" {
		t.Errorf("got %v", refused)
	}
	if fields["spec.kind"] == "" || fields["spec.priority"] == "" {
		t.Errorf("wrong fields: %v", fields)
	}
}

func TestAnUnknownTaskIsNotFoundWithAReason(t *testing.T) {
	missioncontrol, ctx := connected(t)

	_, err := missioncontrol.Get(ctx, uuid.NewString())
	_, waitErr := missioncontrol.Wait(ctx, uuid.NewString())

	refused := refusal(t, err)
	if refused.Code != codes.NotFound || refused.Reason == "" || refused.Domain != "missioncontrol" {
		t.Errorf("got %v, reason %q, domain %q", refused, refused.Reason, refused.Domain)
	}
	if refusal(t, waitErr).Code != codes.NotFound {
		t.Errorf("a wait for it: %v", waitErr)
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	missioncontrol, ctx := connected(t)
	taskID := submit(ctx, t, missioncontrol, request(t, "nobody-has-this", nil))
	impatient, cancel := context.WithCancel(ctx)

	for task, err := range missioncontrol.Watch(impatient, taskID) {
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if err == nil && task.GetId() != taskID {
			t.Errorf("got %v", task)
		}
		cancel()
	}
	cancel()

	if _, err := missioncontrol.Cancel(ctx, taskID, "the test is over"); err != nil {
		t.Error(err)
	}
}

func TestAWaitGoesOnWhenItsStreamBreaks(t *testing.T) {
	missioncontrol, ctx := connected(t)
	proxy := startProxy(t)
	watcher := connectedTo(t, proxy.address())
	taskID := submit(ctx, t, missioncontrol, request(t, "nobody-has-this", nil))

	states := 0
	for task, err := range watcher.Watch(ctx, taskID) {
		if err != nil {
			t.Fatal(err)
		}
		if states++; states == 1 {
			proxy.cut()
		} else if !client.Terminal(task.GetState()) {
			if _, err := missioncontrol.Cancel(ctx, taskID, "the test is over"); err != nil {
				t.Fatal(err)
			}
		}
	}

	if task := wait(ctx, t, missioncontrol, taskID); task.GetState() != pb.TaskState_TASK_STATE_CANCELLED {
		t.Errorf("ended %v", task.GetState())
	}
}
