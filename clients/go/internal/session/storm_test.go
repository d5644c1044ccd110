package session

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// The storm: a session against a small coordinator of the test's own, over a network that delivers in order and loses what is under way
// whenever the stream is cut.
const (
	stormSeeds = 300
	stormTasks = 12
	stormSlots = 3
	stormSteps = 4000
)

// books is what the coordinator has committed.
type books struct {
	t         *testing.T
	tokens    map[string]uint64 // the current lease of each task that an agent has
	token     map[string]uint64 // the newest token of each task
	outcomes  map[string]string
	cancelled map[string]bool
	number    uint64 // of the newest report
}

func (b *books) tasks() (found []string) {
	for i := range stormTasks {
		found = append(found, fmt.Sprintf("task-%02d", i))
	}
	return found
}

// welcome keeps what the agent names and is current, and takes back what it does not name: that never arrived.
func (b *books) welcome(hello *pb.Hello) *pb.CoordinatorMessage {
	welcome := &pb.Welcome{Orders: &pb.Orders{}}
	current := map[string]bool{}
	for _, each := range hello.GetHeld() {
		if b.tokens[each.GetTaskId()] == each.GetToken() {
			welcome.Keep = append(welcome.Keep, each)
			current[each.GetTaskId()] = true
			if b.cancelled[each.GetTaskId()] {
				welcome.Orders.Cancel = append(welcome.Orders.Cancel, each)
			}
		} else {
			welcome.Drop = append(welcome.Drop, each)
		}
	}
	for task := range b.tokens {
		if !current[task] {
			delete(b.tokens, task)
		}
	}
	return &pb.CoordinatorMessage{Content: &pb.CoordinatorMessage_Welcome{Welcome: welcome}}
}

// grant leases what nobody has, as long as the agent has room.
func (b *books) grant(number uint64) *pb.CoordinatorMessage {
	batch := &pb.LeaseBatch{Number: number}
	for _, task := range b.tasks() {
		if len(b.tokens) >= stormSlots+1 || b.outcomes[task] != "" || b.tokens[task] != 0 {
			continue
		}
		b.token[task]++
		b.tokens[task] = b.token[task]
		lease := newLease(task)
		lease.Token = b.token[task]
		batch.Leases = append(batch.Leases, lease)
	}
	if batch.Leases == nil {
		return nil
	}
	return &pb.CoordinatorMessage{Content: &pb.CoordinatorMessage_Leases{Leases: batch}}
}

func (b *books) judge(batch *pb.ReportBatch) *pb.CoordinatorMessage {
	ack := &pb.ReportAck{}
	for _, report := range batch.GetReports() {
		ack.Number = report.GetNumber()
		if report.GetNumber() <= b.number {
			continue // known: acknowledged as if it were new
		}
		if report.GetNumber() != b.number+1 {
			b.t.Fatalf("report %d came after %d", report.GetNumber(), b.number)
		}
		b.number = report.GetNumber()
		if !b.commit(report) {
			ack.Refusals = append(ack.Refusals, &pb.Refusal{
				Number: report.GetNumber(), TaskId: report.GetTaskId(), Token: report.GetToken(),
				Reason: pb.RefusalReason_REFUSAL_REASON_STALE,
			})
		}
	}
	return &pb.CoordinatorMessage{Content: &pb.CoordinatorMessage_ReportAck{ReportAck: ack}}
}

func (b *books) commit(report *pb.Report) (accepted bool) {
	task := report.GetTaskId()
	if b.tokens[task] != report.GetToken() {
		return false
	}
	switch name := eventName(report); name {
	case "started", "progress":
	case "returned", "rejected":
		delete(b.tokens, task)
	default:
		delete(b.tokens, task)
		b.outcomes[task] = name
	}
	return true
}

// storm is one run.
type storm struct {
	*books
	session  *Session
	chance   *rand.Rand
	now      Time
	open     bool
	toServer []*pb.AgentMessage
	toAgent  []*pb.CoordinatorMessage
	// batch is the number of the newest batch of this stream, and 0 until it is welcomed.
	batch uint64
	// working is what runs, and whether it was told to stop.
	working map[Key]bool
}

func TestNothingIsLostOrEndsTwiceWhateverIsCut(t *testing.T) {
	for seed := range uint64(stormSeeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { newStorm(t, seed).run() })
	}
}

func newStorm(t *testing.T, seed uint64) *storm {
	return &storm{
		books: &books{
			t: t, tokens: map[string]uint64{}, token: map[string]uint64{},
			outcomes: map[string]string{}, cancelled: map[string]bool{},
		},
		session: New(&pb.Hello{Kinds: []string{kind}, Slots: stormSlots, QueueLimit: 1}),
		chance:  rand.New(rand.NewPCG(seed, 1)),
		working: map[Key]bool{},
	}
}

func (s *storm) run() {
	for step := range stormSteps {
		s.now += time.Duration(s.chance.IntN(int(300 * time.Millisecond)))
		s.step(step < stormSteps/2)
		s.carryOut()
		if len(s.outcomes) == stormTasks && s.session.Idle() {
			return
		}
	}
	s.t.Fatalf("after %d steps: ended %v, idle %v", stormSteps, s.outcomes, s.session.Idle())
}

// step does one thing by chance; the second half of a run has fair weather.
func (s *storm) step(foul bool) {
	s.session.Tick(s.now)
	switch dice := s.chance.IntN(100); {
	case !s.open:
		s.open = true
		s.toServer = []*pb.AgentMessage{s.session.Hello(s.now)}
	case foul && dice < 4:
		s.cut()
	case foul && dice < 6:
		s.cancel()
	case foul && dice < 7:
		s.takeBack()
	case dice < 40:
		s.serve()
	case dice < 65:
		s.hear()
	case dice < 85:
		if message := s.session.NextMessage(s.now); message != nil {
			s.toServer = append(s.toServer, message)
		}
	default:
		s.work()
	}
}

// cut loses what is under way, in both directions.
func (s *storm) cut() {
	s.session.Disconnect()
	s.open, s.toServer, s.toAgent, s.batch = false, nil, nil, 0
}

func (s *storm) cancel() {
	task := s.tasks()[s.chance.IntN(stormTasks)]
	s.cancelled[task] = true
	if token := s.tokens[task]; token != 0 && s.batch > 0 {
		s.say(&pb.Orders{Cancel: []*pb.LeaseReference{{TaskId: task, Token: token}}})
	} else if token == 0 && s.outcomes[task] == "" {
		s.outcomes[task] = "cancelled"
	}
}

// takeBack is what a coordinator does with a lease that has run out.
func (s *storm) takeBack() {
	for task, token := range s.tokens {
		delete(s.tokens, task)
		if s.batch > 0 {
			s.say(&pb.Orders{Drop: []*pb.LeaseReference{{TaskId: task, Token: token}}})
		}
		return
	}
}

func (s *storm) say(orders *pb.Orders) {
	s.toAgent = append(s.toAgent, &pb.CoordinatorMessage{Content: &pb.CoordinatorMessage_Orders{Orders: orders}})
}

func (s *storm) serve() {
	if len(s.toServer) == 0 {
		s.batch += min(s.batch, 1)
		if message := s.books.grant(s.batch); s.batch > 0 && message != nil {
			s.toAgent = append(s.toAgent, message)
		}
		return
	}
	message := s.toServer[0]
	s.toServer = s.toServer[1:]
	switch content := message.GetContent().(type) {
	case *pb.AgentMessage_Hello:
		s.batch = 1
		s.toAgent = append(s.toAgent, s.books.welcome(content.Hello))
	case *pb.AgentMessage_Heartbeat:
		echo := &pb.HeartbeatEcho{Number: content.Heartbeat.GetNumber(), HeldVersion: content.Heartbeat.GetHeldVersion()}
		s.toAgent = append(s.toAgent, &pb.CoordinatorMessage{Content: &pb.CoordinatorMessage_HeartbeatEcho{HeartbeatEcho: echo}})
	case *pb.AgentMessage_Reports:
		s.toAgent = append(s.toAgent, s.books.judge(content.Reports))
	}
}

func (s *storm) hear() {
	if len(s.toAgent) > 0 {
		s.session.Receive(s.toAgent[0], s.now)
		s.toAgent = s.toAgent[1:]
	}
}

// work lets some work get further, and some end.
func (s *storm) work() {
	for key, told := range s.working {
		if s.chance.IntN(3) > 0 {
			s.session.Progress(key, &pb.Progress{Message: "on it"})
			continue
		}
		delete(s.working, key)
		if told {
			s.session.Ended(key, Outcome{Cancelled: &pb.Cancelled{}}, s.now)
		} else {
			s.session.Ended(key, Outcome{Succeeded: &pb.Succeeded{}}, s.now)
		}
	}
}

func (s *storm) carryOut() {
	for _, effect := range s.session.TakeEffects(s.now) {
		switch effect := effect.(type) {
		case Start:
			s.begin(keyOf(effect.Lease))
		case Stop:
			if _, is := s.working[effect.Key]; !is {
				s.t.Fatalf("asked to stop %v, which does not run", effect.Key)
			}
			s.working[effect.Key] = true
		case Reconnect:
			s.cut()
		}
	}
	if len(s.working) > stormSlots {
		s.t.Fatalf("%d run in %d slots", len(s.working), stormSlots)
	}
}

func (s *storm) begin(key Key) {
	var running []string
	for each := range s.working {
		running = append(running, each.TaskID)
	}
	if slices.Contains(running, key.TaskID) {
		s.t.Fatalf("%v was started beside earlier work of its task", key)
	}
	s.working[key] = false
}

// The same run, with the stream cut after its first message, after its second, and so on.
func TestACutAfterEachMessageChangesNothing(t *testing.T) {
	for cutAfter := range 25 {
		c := welcomed(t, 2, 2)
		messages := 0
		said := map[uint64]string{}
		// exchange delivers what the agent says to a coordinator that acknowledges everything; after the cut nothing arrives.
		exchange := func() {
			for _, message := range c.messages() {
				if messages++; messages == cutAfter {
					c.Disconnect()
					c.connect()
					return
				}
				for _, report := range message.GetReports().GetReports() {
					if told, before := said[report.GetNumber()]; before && told != describe(report) {
						t.Fatalf("report %d was %q and is %q", report.GetNumber(), told, describe(report))
					}
					said[report.GetNumber()] = describe(report)
					c.ack(report.GetNumber())
				}
				c.echo(message.GetHeartbeat())
			}
		}
		c.grant("a", "b", "c")
		for _, task := range []string{"a", "b", "c"} {
			exchange()
			c.now += interval
			exchange()
			c.Progress(Key{task, 1}, &pb.Progress{Message: task})
			exchange()
			c.succeed(task)
			c.TakeEffects(c.now)
		}
		exchange()
		exchange()
		if !c.Idle() || len(said) != int(c.Session.reports.lastNumber) {
			t.Fatalf("cut after %d: idle %v, %d of %d reports arrived", cutAfter, c.Idle(), len(said), c.Session.reports.lastNumber)
		}
	}
}
