package client

import (
	"context"
	"errors"
	"iter"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// Submit submits one task and returns it as accepted, without its payload. A request without a request id gets one, so that the retries
// of this call make one task only. To repeat Submit itself after an error, bring an id of your own. An empty namespace is the client's.
func (c *Client) Submit(ctx context.Context, request *pb.CreateTaskRequest) (*pb.Task, error) {
	request = proto.CloneOf(request)
	if request.Spec == nil {
		request.Spec = &pb.TaskSpec{}
	}
	if request.Spec.Namespace == "" {
		request.Spec.Namespace = c.namespace
	}
	if request.RequestId == "" {
		request.RequestId = uuid.NewString()
	}
	response, err := c.Tasks.CreateTask(ctx, request)
	return response.GetTask(), err
}

// Get reads one task whole.
func (c *Client) Get(ctx context.Context, taskID string) (*pb.Task, error) {
	response, err := c.Tasks.GetTask(ctx, &pb.GetTaskRequest{Namespace: c.namespace, TaskId: taskID})
	return response.GetTask(), err
}

// Cancel asks for a cancel and returns the task as it stands then. One that an agent holds ends a little later: Wait for it.
func (c *Client) Cancel(ctx context.Context, taskID, reason string) (*pb.Task, error) {
	request := &pb.CancelTaskRequest{Namespace: c.namespace, TaskId: taskID, Reason: reason, RequestId: uuid.NewString()}
	response, err := c.Tasks.CancelTask(ctx, request)
	return response.GetTask(), err
}

// Wait waits until the task has ended, however often the stream breaks, and returns it whole, whatever became of it.
func (c *Client) Wait(ctx context.Context, taskID string) (*pb.Task, error) {
	for task, err := range c.Watch(ctx, taskID) {
		if err != nil {
			return nil, err
		}
		if Terminal(task.GetState()) {
			return task, nil
		}
	}
	return nil, errors.New("a watch ended before its task")
}

// Watch gives the task now, and again whenever it changed, up to its terminal state. States in between may be skipped. It connects again
// when the stream breaks; an error is the last thing that it gives.
func (c *Client) Watch(ctx context.Context, taskID string) iter.Seq2[*pb.Task, error] {
	request := &pb.WatchTaskRequest{Namespace: c.namespace, TaskId: taskID}
	open := func(ctx context.Context) (receiver[*pb.WatchTaskResponse], error) {
		return c.Tasks.WatchTask(ctx, request)
	}
	return func(yield func(*pb.Task, error) bool) {
		for update, err := range reopened(ctx, open) {
			if err != nil {
				yield(nil, err)
				return
			}
			// An answer to a stream that ended well and has nothing new, or a kind of update that this client does not know.
			if update.GetTask() == nil {
				continue
			}
			if !yield(update.GetTask(), nil) || Terminal(update.GetTask().GetState()) {
				return
			}
		}
	}
}

// Terminal tells whether a state is final.
func Terminal(state pb.TaskState) bool {
	switch state {
	case pb.TaskState_TASK_STATE_SUCCEEDED, pb.TaskState_TASK_STATE_FAILED,
		pb.TaskState_TASK_STATE_CANCELLED, pb.TaskState_TASK_STATE_EXPIRED:
		return true
	}
	return false
}
