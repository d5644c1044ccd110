// Command submit submits tasks of the kind "example.digest" and waits for them, as clients/README.md describes it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	client "missioncontrol.dev/client"
	"missioncontrol.dev/client/internal/settings"
	pb "missioncontrol.dev/client/missioncontrolv1"
)

const (
	notSucceeded = 1
	refused      = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	succeeded, err := submitAndWait(ctx, os.Args[1:])
	stop()
	if err != nil {
		tell(err)
		os.Exit(refused)
	}
	if !succeeded {
		os.Exit(notSucceeded)
	}
}

// submitAndWait submits all inputs at once, and prints the results in their order.
func submitAndWait(ctx context.Context, inputs []string) (succeeded bool, err error) {
	missioncontrol, err := client.Connect(settings.Address(), settings.Namespace())
	if err != nil {
		return false, err
	}
	defer missioncontrol.Close()
	ids := make([]string, len(inputs))
	for i, input := range inputs {
		task, err := missioncontrol.Submit(ctx, &pb.CreateTaskRequest{Spec: spec(input)})
		if err != nil {
			return false, err
		}
		ids[i] = task.GetId()
	}
	succeeded = true
	for _, id := range ids {
		task, err := missioncontrol.Wait(ctx, id)
		if err != nil {
			return false, err
		}
		if err := print(task); err != nil {
			return false, err
		}
		succeeded = succeeded && task.GetState() == pb.TaskState_TASK_STATE_SUCCEEDED
	}
	return succeeded, nil
}

func spec(input string) *pb.TaskSpec {
	return &pb.TaskSpec{
		Kind:         settings.Kind,
		Queue:        settings.Text("MISSIONCONTROL_QUEUE", "default"),
		Payload:      &pb.Payload{Data: []byte(input), ContentType: "application/json"},
		Requirements: &pb.Requirements{Capabilities: settings.List("MISSIONCONTROL_CAPABILITIES")},
	}
}

// result is the line of JSON that is printed for a task.
type result struct {
	TaskID  string          `json:"task_id"`
	State   string          `json:"state"`
	AgentID string          `json:"agent_id"`
	Output  json.RawMessage `json:"output"`
}

func print(task *pb.Task) error {
	line := result{
		TaskID:  task.GetId(),
		State:   strings.TrimPrefix(task.GetState().String(), "TASK_STATE_"),
		AgentID: task.GetAgentId(),
		Output:  task.GetOutput().GetData(),
	}
	if len(line.Output) == 0 {
		line.Output = json.RawMessage("null")
	}
	return json.NewEncoder(os.Stdout).Encode(line)
}

// tell writes what the service said: a line for the error, and one for each field that is wrong.
func tell(err error) {
	var refusal *client.Error
	if !errors.As(err, &refusal) {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Fprintf(os.Stderr, "%s: %s: %s\n", refusal.CodeName(), refusal.Reason, refusal.Message)
	for _, field := range refusal.Fields {
		fmt.Fprintf(os.Stderr, "  %s: %s\n", field.Field, field.Description)
	}
}
