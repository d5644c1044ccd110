package session

import (
	"time"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// liveness knows when heartbeats are due, which of them came back, and until when that proves a lease. It does not know the leases, only
// the version of their set. What was echoed outlives a stream: leases do, too.
type liveness struct {
	interval, echoTimeout, jitter time.Duration

	welcomed bool
	// echoed is the last heartbeat (or Hello) that the coordinator answered.
	echoed beat
	// streamVersion is the version of the set that the coordinator knows from a heartbeat of this stream, if knowsSet.
	streamVersion uint64
	knowsSet      bool

	number    uint64
	sentTime  Time
	heardTime Time
	unechoed  []beat
}

type beat struct {
	number   uint64
	sentTime Time
	version  uint64
}

func newLiveness() liveness {
	return liveness{
		interval: defaultHeartbeatInterval, echoTimeout: defaultEchoTimeout, jitter: defaultJitter,
		echoed: beat{sentTime: always}, heardTime: never,
	}
}

// begin says that a Hello that names this version is sent on a new stream.
func (l *liveness) begin(version uint64, now Time) {
	l.welcomed, l.knowsSet = false, false
	l.number = 0
	l.sentTime, l.heardTime = now, now
	l.unechoed = []beat{{0, now, version}}
}

// welcome takes the answer to Hello, which counts as the stream's first heartbeat.
func (l *liveness) welcome(welcome *pb.Welcome, now Time) {
	l.welcomed = true
	l.heardTime = now
	l.interval = orDefault(welcome.GetHeartbeatInterval().AsDuration(), defaultHeartbeatInterval)
	l.echoTimeout = orDefault(welcome.GetEchoTimeout().AsDuration(), defaultEchoTimeout)
	l.jitter = welcome.GetReconnectJitterMax().AsDuration()
	l.echoed, l.unechoed = l.unechoed[0], l.unechoed[1:]
}

func orDefault(value, otherwise time.Duration) time.Duration {
	if value <= 0 {
		return otherwise
	}
	return value
}

// renewedTime is from when the lease's time to live runs: its delivery, or the sending of the last echoed heartbeat that names it.
func (l *liveness) renewedTime(each *lease) Time {
	if each.version <= l.echoed.version {
		return max(each.trustedTime, l.echoed.sentTime)
	}
	return each.trustedTime
}

func (l *liveness) heartbeatTime(shortestTTL time.Duration) Time {
	if !l.welcomed || len(l.unechoed) >= unechoedMax {
		return never
	}
	return after(l.sentTime, min(l.interval, shortestTTL/heartbeatsPerTTL))
}

// heartbeat is the next one, sent now. The caller fills in the set where HeldIncluded says so.
func (l *liveness) heartbeat(version uint64, now Time) *pb.Heartbeat {
	l.number++
	l.sentTime = now
	l.unechoed = append(l.unechoed, beat{l.number, now, version})
	return &pb.Heartbeat{Number: l.number, HeldVersion: version, HeldIncluded: !l.knowsSet || version != l.streamVersion}
}

func (l *liveness) echo(echo *pb.HeartbeatEcho, now Time) {
	for len(l.unechoed) > 0 && l.unechoed[0].number <= echo.GetNumber() {
		first := l.unechoed[0]
		l.unechoed = l.unechoed[1:]
		if first.number == echo.GetNumber() && first.version == echo.GetHeldVersion() {
			l.heardTime, l.echoed = now, first
			l.streamVersion, l.knowsSet = first.version, true
		}
	}
}

// end says that the stream is gone: nothing is due on it.
func (l *liveness) end() {
	l.welcomed = false
	l.heardTime = never
}

// silenceTime is when the stream counts as broken, unless something is heard before.
func (l *liveness) silenceTime() Time {
	if l.welcomed {
		return after(l.heardTime, l.echoTimeout)
	}
	return after(l.heardTime, welcomeTimeout)
}
