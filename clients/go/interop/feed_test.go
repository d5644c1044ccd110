package interop

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	client "missioncontrol.dev/client"
	"missioncontrol.dev/client/agent"
	pb "missioncontrol.dev/client/missioncontrolv1"
)

const feedTasks = 30

// The feed is read while tasks run, with the connection cut, or the reading given up and begun anew, after each message; then it is
// compared with what is read at rest in one go.
func TestTheFeedGoesOnAfterItsPositionWithNothingMissingDoubledOrReordered(t *testing.T) {
	missioncontrol, ctx := connected(t)
	begin := head(ctx, t, missioncontrol)
	capability := startAgent(t, func(context.Context, *agent.Work) (*pb.Payload, error) {
		time.Sleep(30 * time.Millisecond) // so that there is time for breaks
		return nil, nil
	})
	proxy := startProxy(t)
	reader := connectedTo(t, proxy.address())
	read := make(chan struct{}, 1)
	go func() {
		for number := range feedTasks {
			asked := request(t, capability, number)
			if task, err := missioncontrol.Submit(ctx, asked); err == nil {
				_, _ = missioncontrol.Wait(ctx, task.GetId()) // one after another, so that the feed moves in small steps
			}
			select { // and the next only when some of it was read
			case <-read:
			case <-ctx.Done():
			}
		}
	}()

	broken, breaks := readBreaking(ctx, t, reader, proxy, begin, read)
	whole := readAtRest(ctx, t, missioncontrol, begin)

	t.Logf("%d events over %d breaks", len(broken), breaks)
	if breaks < 3 {
		t.Fatalf("the stream broke %d times only", breaks)
	}
	for i, event := range broken {
		if i >= len(whole) || !proto.Equal(event, whole[i]) {
			t.Fatalf("event %d of the broken reading is not that of the whole one: %v", i, event)
		}
	}
}

func TestAPositionThatCannotBeContinuedIsAnsweredWithAReset(t *testing.T) {
	missioncontrol, ctx := connected(t)
	request := &pb.WatchEventsRequest{After: "00000000-0000-4000-8000-000000000000:1"}

	for message, err := range missioncontrol.FollowEvents(ctx, request) {
		if err != nil {
			t.Fatal(err)
		}
		if message.GetReset_().GetReason() != pb.ResetReason_RESET_REASON_EPOCH || len(message.GetEvents()) != 0 {
			t.Fatalf("got %v", message)
		}
		return
	}
	t.Fatal("got nothing")
}

// head is the feed's newest position.
func head(ctx context.Context, t *testing.T, missioncontrol *client.Client) string {
	t.Helper()
	response, err := missioncontrol.Tasks.ListTasks(ctx, &pb.ListTasksRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	return response.GetPosition()
}

// readBreaking reads until all tasks have succeeded, and says so each time that something was read.
func readBreaking(
	ctx context.Context, t *testing.T, reader *client.Client, proxy *proxy, after string, read chan<- struct{},
) (events []*pb.Event, breaks int) {
	t.Helper()
	for succeeded := 0; succeeded < feedTasks; {
		for message, err := range reader.FollowEvents(ctx, &pb.WatchEventsRequest{After: after, Follow: true}) {
			if err != nil {
				t.Fatal(err)
			}
			after = message.GetPosition()
			events = append(events, message.GetEvents()...)
			succeeded += count(message.GetEvents(), pb.EventType_EVENT_TYPE_TASK_SUCCEEDED)
			select {
			case read <- struct{}{}:
			default: // it was said already
			}
			if breaks++; breaks%2 == 0 || succeeded >= feedTasks {
				break
			}
			proxy.cut()
		}
	}
	return events, breaks
}

func count(events []*pb.Event, wanted pb.EventType) (found int) {
	for _, event := range events {
		if event.GetType() == wanted {
			found++
		}
	}
	return found
}

func readAtRest(ctx context.Context, t *testing.T, missioncontrol *client.Client, after string) (events []*pb.Event) {
	t.Helper()
	for message, err := range missioncontrol.FollowEvents(ctx, &pb.WatchEventsRequest{After: after}) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, message.GetEvents()...)
	}
	return events
}
