// Package session is the agent's half of the conversation that agent_service.proto specifies, as a pure state machine.
//
// What comes in: messages of the coordinator, happenings in the agent, and the time. What comes out: messages to send (NextMessage), and
// effects (TakeEffects): which work to start and to stop, when to connect again, when to leave. No I/O, no clock, no randomness, no lock:
// whoever owns a session calls it from one goroutine. Memory is bounded by the leases that the agent offers to take and by limits.go.
package session

import (
	"time"

	"google.golang.org/protobuf/proto"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// Session is one incarnation of an agent, over any number of streams.
//
// The owner calls Hello for each stream, Receive for each message, what happens in the agent as it occurs, and after any of them
// TakeEffects and NextMessage until both are empty; and again at NextTime at the latest, with Tick before.
type Session struct {
	hello *pb.Hello
	kinds map[string]bool

	leases    leaseTable
	liveness  liveness
	reports   reportLog
	drain     drain
	lingering lingering
	receipts  receipts
	effects   []Effect
	// helloHeld is what the last Hello named.
	helloHeld []Key
	// progressed are the leases with progress that was not put into the log yet; progressDueTime is when some may be, not later than that.
	progressed      map[Key]*lease
	progressDueTime Time
	// selfStopTime and limitTime are when a lease may have to be stopped for its age, or for its time limit; not later than that.
	selfStopTime, limitTime Time
}

// New makes the session of an agent that says this of itself. The session fills in what it holds.
func New(hello *pb.Hello) *Session {
	kinds := map[string]bool{}
	for _, kind := range hello.GetKinds() {
		kinds[kind] = true
	}
	return &Session{
		hello:           hello,
		kinds:           kinds,
		leases:          newLeaseTable(int(hello.GetSlots()), int(hello.GetQueueLimit())),
		liveness:        newLiveness(),
		reports:         reportLog{starts: map[Key]*reportEntry{}},
		drain:           newDrain(),
		lingering:       lingering{leases: map[Key]lingerer{}, told: map[Key]bool{}},
		receipts:        receipts{dueTime: never},
		progressed:      map[Key]*lease{},
		progressDueTime: never,
		selfStopTime:    never,
		limitTime:       never,
	}
}

// Hello begins a stream: the message to send first on it. What was under way on an earlier stream will be sent again.
func (s *Session) Hello(now Time) *pb.AgentMessage {
	hello := proto.CloneOf(s.hello)
	hello.Held = s.leases.references()
	hello.HeldVersion = s.leases.version
	hello.Draining = s.drain.own
	s.helloHeld = s.helloHeld[:0]
	for _, each := range hello.Held {
		s.helloHeld = append(s.helloHeld, keyOf(each))
	}
	s.reports.rewind()
	s.receipts = receipts{dueTime: never}
	s.liveness.begin(s.leases.version, now)
	slots := s.lingering.tell(hello, now)
	for _, each := range s.leases.surplus(slots, s.lingering.toldTasks()) {
		s.end(each, returned(whyStuck))
	}
	return &pb.AgentMessage{Content: &pb.AgentMessage_Hello{Hello: hello}}
}

// Disconnect says that the stream is gone. Work goes on until its leases run out.
func (s *Session) Disconnect() { s.liveness.end() }

// Connected tells whether the current stream was welcomed.
func (s *Session) Connected() bool { return s.liveness.welcomed }

// Left tells whether Goodbye was said: the end of the stream is the end of the session then.
func (s *Session) Left() bool { return s.drain.left }

// JitterMax is how long to wait at most, by chance, before a new stream.
func (s *Session) JitterMax() time.Duration { return s.liveness.jitter }

// Idle tells whether nothing runs and nothing is left to say.
func (s *Session) Idle() bool { return s.leases.busy == 0 && s.leases.held == 0 }

// NextMessage is the next message to send; nil if there is none now. Heartbeats come first: a backlog must not delay them.
func (s *Session) NextMessage(now Time) *pb.AgentMessage {
	if !s.Connected() {
		return nil
	}
	if now >= s.liveness.heartbeatTime(s.leases.shortestTTL) {
		return &pb.AgentMessage{Content: &pb.AgentMessage_Heartbeat{Heartbeat: s.heartbeat(now)}}
	}
	if s.drain.noticeDue {
		s.drain.noticeDue = false
		return &pb.AgentMessage{Content: &pb.AgentMessage_DrainNotice{DrainNotice: &pb.DrainNotice{}}}
	}
	s.putProgress(now)
	if batch := s.reports.nextBatch(); len(batch.Reports) > 0 {
		batch.LeaseBatch = s.receipts.take()
		return &pb.AgentMessage{Content: &pb.AgentMessage_Reports{Reports: batch}}
	}
	if now >= s.receipts.dueTime {
		receipt := &pb.LeaseReceipt{Number: s.receipts.take()}
		return &pb.AgentMessage{Content: &pb.AgentMessage_LeaseReceipt{LeaseReceipt: receipt}}
	}
	if goodbye := s.drain.goodbye(s.Idle(), now); goodbye != nil {
		return &pb.AgentMessage{Content: &pb.AgentMessage_Goodbye{Goodbye: goodbye}}
	}
	return nil
}

func (s *Session) heartbeat(now Time) *pb.Heartbeat {
	heartbeat := s.liveness.heartbeat(s.leases.version, now)
	if heartbeat.HeldIncluded {
		heartbeat.Held = s.leases.references()
	}
	return heartbeat
}

// TakeEffects is what to do now, in order; each effect is given once.
func (s *Session) TakeEffects(now Time) []Effect {
	if !s.drain.closed() && s.reports.unacknowledgedBytes < unacknowledgedBytesMax {
		for _, each := range s.leases.start() {
			s.start(each, now)
		}
	}
	if s.drain.leave(s.Idle(), s.Connected(), now) {
		s.effects = append(s.effects, Leave{})
	}
	effects := s.effects
	s.effects = nil
	return effects
}

// Tick does what is due by the time alone.
func (s *Session) Tick(now Time) {
	if now >= s.liveness.silenceTime() {
		s.reconnect(Reconnect{Why: "no answer of the coordinator in time", Elsewhere: true})
	}
	if now >= s.selfStopTime {
		s.stopUnrenewed(now)
	}
	if now >= s.limitTime {
		s.stopAtLimit(now)
	}
	if s.drain.timeIsUp(now) {
		for _, each := range s.leases.all() {
			s.stop(each, StopDrain)
		}
	}
	if s.tellsOfLingering() && s.lingering.changed(now) {
		s.reconnect(Reconnect{Why: "work whose lease is gone does not stop, or has stopped at last"})
	}
}

func (s *Session) reconnect(how Reconnect) {
	s.Disconnect()
	s.effects = append(s.effects, how)
}

func (s *Session) tellsOfLingering() bool { return s.Connected() && !s.drain.own }

// NextTime is when Tick and TakeEffects have something to do again, if nothing happens before; at the latest.
func (s *Session) NextTime() Time {
	next := min(s.liveness.silenceTime(), s.selfStopTime, s.limitTime, s.drain.nextTime())
	if s.tellsOfLingering() {
		next = min(next, s.lingering.dueTime())
	}
	if !s.Connected() {
		next = min(next, s.drain.leaveTime)
	}
	return next
}

// NextMessageTime is when NextMessage has something to say by the time alone. It stands apart from NextTime, since an owner that cannot
// send just now must not be woken for it again and again.
func (s *Session) NextMessageTime() Time {
	if !s.Connected() {
		return never
	}
	return min(s.liveness.heartbeatTime(s.leases.shortestTTL), s.receipts.dueTime, s.progressDueTime, s.drain.leaveTime)
}
