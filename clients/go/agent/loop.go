package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"missioncontrol.dev/client/internal/session"
	pb "missioncontrol.dev/client/missioncontrolv1"
)

const (
	// Waits between two streams: the first is up to the Welcome's jitter, those after it are doubled, each by chance.
	reconnectBackoff    = 100 * time.Millisecond
	reconnectBackoffMax = 3 * time.Second
	// So many happenings are taken in at once, so that one message can tell of them all.
	happeningsMax = 128
	// A coordinator that stays away is logged so often, not for hours.
	attemptsLogged = 3
)

// loop owns the session: everything that touches it happens in the one goroutine that calls run. It takes in what the coordinator says, what
// the work does and what the time brings, and carries the effects out. It never blocks but in wait.
type loop struct {
	agent    *Agent
	session  *session.Session
	log      *slog.Logger
	workers  *workers
	begin    time.Time
	link     *link
	openTime session.Time // when to connect, while there is no link
	attempts int
	left     bool
	failure  error
}

func newLoop(agent *Agent, owned *session.Session) *loop {
	return &loop{
		agent: agent, session: owned, log: agent.config.Logger, begin: time.Now(),
		workers: newWorkers(agent.config.Handlers, agent.ended),
	}
}

func (l *loop) run() error {
	for !l.left {
		l.turn()
		if !l.left {
			l.wait()
		}
	}
	l.closeLink()
	l.workers.abandon()
	return l.failure
}

// now is the monotonic time: time.Since never jumps with the wall clock.
func (l *loop) now() session.Time { return time.Since(l.begin) }

// turn does all that is to do now.
func (l *loop) turn() {
	now := l.now()
	if l.link == nil && now >= l.openTime {
		l.open(now)
	}
	l.session.Tick(now)
	for effects := l.session.TakeEffects(now); len(effects) > 0; effects = l.session.TakeEffects(now) {
		for _, effect := range effects {
			l.carryOut(effect)
		}
	}
	if l.link != nil && !l.link.sending {
		if message := l.session.NextMessage(now); message != nil {
			l.link.send(message)
		}
	}
}

func (l *loop) carryOut(effect session.Effect) {
	switch effect := effect.(type) {
	case session.Start:
		l.workers.start(effect.Lease)
	case session.Stop:
		l.workers.stop(effect.Key, effect.Reason)
	case session.Reconnect:
		l.log.Info("the agent connects again", "why", effect.Why)
		l.disconnected(effect)
	case session.Leave:
		l.left = true
	}
}

// wait returns when something happened, or is due by the time. Only one of its channels is there for each kind of happening, so a link that
// was given up can say nothing any more.
func (l *loop) wait() {
	timer := time.NewTimer(l.dueTime() - l.now())
	defer timer.Stop()
	var incoming chan arrival
	var written chan struct{}
	if l.link != nil {
		incoming, written = l.link.incoming, l.link.written
	}
	select {
	case what := <-incoming:
		l.arrived(what)
	case <-written:
		l.link.sending = false
	case what := <-l.workers.happened:
		l.takeIn(what)
	case drainTime := <-l.agent.leaving:
		l.session.Leave(l.now(), drainTime, leaveGrace)
	case <-timer.C:
	}
}

func (l *loop) dueTime() session.Time {
	due := l.session.NextTime()
	if l.link == nil {
		due = min(due, l.openTime)
	} else if !l.link.sending {
		due = min(due, l.session.NextMessageTime())
	}
	return due
}

func (l *loop) takeIn(what happening) {
	what(l.session, l.now())
	for range happeningsMax {
		select {
		case what = <-l.workers.happened:
			what(l.session, l.now())
		default:
			return
		}
	}
}

// --- The stream

func (l *loop) open(now session.Time) {
	hello := l.session.Hello(now)
	l.link = openLink(l.agent.addresses.current(), hello, l.agent.config.DialOptions)
}

func (l *loop) arrived(what arrival) {
	if what.err != nil {
		l.ended(what.err)
		return
	}
	l.session.Receive(what.message, l.now())
	if welcome := what.message.GetWelcome(); welcome != nil {
		l.welcomed(welcome)
	}
}

func (l *loop) welcomed(welcome *pb.Welcome) {
	l.attempts = 0
	l.agent.addresses.learn(welcome.GetCoordinators())
	l.log.Info("the agent is connected", "coordinator", welcome.GetCoordinatorId(), "address", l.link.address)
}

// ended takes the end of the stream, whatever it was: any but that after our own goodbye is a broken one.
func (l *loop) ended(err error) {
	l.failure = verdict(err, l.agent.config.ID, l.session.Connected())
	if l.failure != nil {
		l.left = true
		return
	}
	l.logEnd(err)
	l.disconnected(session.Reconnect{Elsewhere: true})
}

func (l *loop) logEnd(err error) {
	level := slog.LevelInfo
	if l.attempts >= attemptsLogged {
		level = slog.LevelDebug
	}
	why := err.Error()
	if errors.Is(err, io.EOF) {
		why = "the coordinator ended it well"
	}
	l.log.Log(context.Background(), level, "the stream ended", "address", l.link.address, "why", why)
}

// disconnected plans the next stream: after the time that the coordinator named, and a random one, so that a fleet does not come at once.
func (l *loop) disconnected(how session.Reconnect) {
	l.closeLink()
	l.session.Disconnect()
	l.left = l.left || l.session.Left()
	if how.Elsewhere {
		l.agent.addresses.advance()
	}
	l.attempts++
	l.openTime = l.now() + how.Delay + jitter(l.attempts, l.session.JitterMax())
}

func (l *loop) closeLink() {
	if l.link != nil {
		l.link.cancel()
		l.link = nil
	}
}

// jitter is a random wait before a stream, longer after each one in vain. Where leases are short the coordinator's jitter is, too, and long
// waits would cost them.
func jitter(attempts int, longest time.Duration) time.Duration {
	if attempts > 1 {
		most := min(reconnectBackoffMax, max(2*longest, reconnectBackoffMax/3))
		longest = min(reconnectBackoff<<min(attempts, 16), most)
	}
	return rand.N(max(longest, 1))
}
