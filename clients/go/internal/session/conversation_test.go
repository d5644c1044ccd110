package session

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

const (
	kind     = "test"
	ttl      = 30 * time.Second
	interval = 5 * time.Second
	echoMax  = 12 * time.Second
)

// conversation is a session with a hand on each side of it: a clock, and what comes out.
type conversation struct {
	*Session
	t       *testing.T
	now     Time
	batches uint64
}

func converse(t *testing.T, slots, queueLimit int) *conversation {
	hello := &pb.Hello{AgentId: "a", Kinds: []string{kind}, Slots: uint32(slots), QueueLimit: uint32(queueLimit)}
	return &conversation{Session: New(hello), t: t, now: time.Hour}
}

// welcomed is a conversation whose first stream is open.
func welcomed(t *testing.T, slots, queueLimit int) *conversation {
	c := converse(t, slots, queueLimit)
	c.connect()
	return c
}

// connect opens a stream; the coordinator keeps everything that Hello names.
func (c *conversation) connect() *pb.Hello {
	hello := c.hello()
	c.welcome(&pb.Welcome{Keep: hello.GetHeld()})
	return hello
}

// reconnect opens a stream that is answered so.
func (c *conversation) reconnect(welcome *pb.Welcome) {
	c.hello()
	c.welcome(welcome)
}

func (c *conversation) hello() *pb.Hello {
	c.batches = 0
	return c.Session.Hello(c.now).GetHello()
}

func (c *conversation) welcome(welcome *pb.Welcome) {
	welcome.HeartbeatInterval = durationpb.New(interval)
	welcome.EchoTimeout = durationpb.New(echoMax)
	welcome.ReconnectJitterMax = durationpb.New(time.Second)
	c.receive(&pb.CoordinatorMessage{Content: &pb.CoordinatorMessage_Welcome{Welcome: welcome}})
}

func (c *conversation) receive(message *pb.CoordinatorMessage) { c.Receive(message, c.now) }

// grant delivers leases, one for each task id, with token 1, and returns the effects.
func (c *conversation) grant(tasks ...string) []Effect {
	var leases []*pb.Lease
	for _, task := range tasks {
		leases = append(leases, newLease(task))
	}
	return c.deliver(leases...)
}

func (c *conversation) deliver(leases ...*pb.Lease) []Effect {
	c.batches++
	batch := &pb.LeaseBatch{Number: c.batches, Leases: leases}
	c.receive(&pb.CoordinatorMessage{Content: &pb.CoordinatorMessage_Leases{Leases: batch}})
	return c.TakeEffects(c.now)
}

func newLease(task string) *pb.Lease {
	return &pb.Lease{TaskId: task, Token: 1, Spec: &pb.TaskSpec{Kind: kind}, Ttl: durationpb.New(ttl)}
}

func (c *conversation) order(orders *pb.Orders) []Effect {
	c.receive(&pb.CoordinatorMessage{Content: &pb.CoordinatorMessage_Orders{Orders: orders}})
	return c.TakeEffects(c.now)
}

func (c *conversation) ack(number uint64, refusals ...*pb.Refusal) []Effect {
	ack := &pb.ReportAck{Number: number, Refusals: refusals}
	c.receive(&pb.CoordinatorMessage{Content: &pb.CoordinatorMessage_ReportAck{ReportAck: ack}})
	return c.TakeEffects(c.now)
}

func (c *conversation) echo(heartbeat *pb.Heartbeat) {
	echo := &pb.HeartbeatEcho{Number: heartbeat.GetNumber(), HeldVersion: heartbeat.GetHeldVersion()}
	c.receive(&pb.CoordinatorMessage{Content: &pb.CoordinatorMessage_HeartbeatEcho{HeartbeatEcho: echo}})
}

// pass lets time go by and returns the effects of that.
func (c *conversation) pass(wait time.Duration) []Effect {
	c.now += wait
	c.Tick(c.now)
	return c.TakeEffects(c.now)
}

// passEchoing lets time go by in small steps on a healthy stream.
func (c *conversation) passEchoing(wait time.Duration) (effects []Effect) {
	for end := c.now + wait; c.now < end; {
		effects = append(effects, c.pass(min(time.Second, end-c.now))...)
		for _, message := range c.messages() {
			c.echo(message.GetHeartbeat())
		}
	}
	return effects
}

func (c *conversation) messages() (found []*pb.AgentMessage) {
	for message := c.NextMessage(c.now); message != nil; message = c.NextMessage(c.now) {
		found = append(found, message)
	}
	return found
}

// reports is what the session has to report now, one line each: "2 a succeeded".
func (c *conversation) reports() (lines []string) {
	for _, message := range c.messages() {
		for _, report := range message.GetReports().GetReports() {
			lines = append(lines, describe(report))
		}
	}
	return lines
}

func describe(report *pb.Report) string {
	return fmt.Sprintf("%d %s %s", report.GetNumber(), report.GetTaskId(), eventName(report))
}

func eventName(report *pb.Report) string {
	field := report.ProtoReflect().WhichOneof(report.ProtoReflect().Descriptor().Oneofs().ByName("event"))
	return string(field.Name())
}

func (c *conversation) succeed(task string) {
	c.Ended(Key{task, 1}, Outcome{Succeeded: &pb.Succeeded{}}, c.now)
}

func (c *conversation) stopped(task string) {
	c.Ended(Key{task, 1}, Outcome{Cancelled: &pb.Cancelled{}}, c.now)
}

func (c *conversation) fail(task string) {
	c.Ended(Key{task, 1}, Outcome{Failed: &pb.Failed{Failure: &pb.Failure{Code: "no"}}}, c.now)
}

func ref(task string) *pb.LeaseReference { return &pb.LeaseReference{TaskId: task, Token: 1} }

func refs(tasks ...string) (found []*pb.LeaseReference) {
	for _, task := range tasks {
		found = append(found, ref(task))
	}
	return found
}

func named(references []*pb.LeaseReference) (tasks []string) {
	for _, each := range references {
		tasks = append(tasks, each.GetTaskId())
	}
	return tasks
}

// started are the tasks that the effects start.
func started(effects []Effect) (tasks []string) {
	for _, effect := range effects {
		if start, is := effect.(Start); is {
			tasks = append(tasks, start.Lease.GetTaskId())
		}
	}
	return tasks
}

func wantStop(t *testing.T, effects []Effect, task string, reason StopReason) {
	t.Helper()
	if !slices.Contains(effects, Effect(Stop{Key{task, 1}, reason})) {
		t.Fatalf("got %v, want the stop of %s: %s", effects, task, reason)
	}
}

func wantReconnect(t *testing.T, effects []Effect) {
	t.Helper()
	for _, effect := range effects {
		if _, is := effect.(Reconnect); is {
			return
		}
	}
	t.Fatalf("got %v, want a reconnect", effects)
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}
