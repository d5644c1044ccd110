package session

import (
	"time"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// drain says whether the agent takes work, and until when what runs may run on. own: the agent leaves, for good. ordered: the coordinator
// wants it empty, and may call that off.
type drain struct {
	own, ordered bool
	noticeDue    bool
	// left: Goodbye was said, or there was nobody to say it to.
	left                 bool
	ownTime, orderedTime Time
	// leaveTime is when work that did not stop is left behind; endTime, when the stream ends after a Goodbye that nobody answers.
	leaveTime, endTime Time
}

func newDrain() drain {
	return drain{ownTime: never, orderedTime: never, leaveTime: never, endTime: never}
}

// closed tells whether no work is started or taken.
func (d *drain) closed() bool { return d.own || d.ordered }

// nextTime is when time alone changes something, besides leaveTime.
func (d *drain) nextTime() Time {
	return min(d.ownTime, d.orderedTime, d.endTime, after(d.leaveTime, goodbyeTimeout))
}

// leaveWithin says that the agent leaves: what runs may go on for limit; so much after that it is left behind. A second call can only
// shorten it.
func (d *drain) leaveWithin(now Time, limit, grace time.Duration) {
	d.noticeDue = d.noticeDue || !d.own
	d.own = true
	d.ownTime = min(d.ownTime, after(now, limit))
	d.leaveTime = min(d.leaveTime, after(after(now, limit), grace))
}

// order says that a drain was ordered. Repeating it does not make the time longer.
func (d *drain) order(now Time, limit time.Duration) {
	d.ordered = true
	d.orderedTime = min(d.orderedTime, after(now, limit))
}

func (d *drain) resume() {
	d.ordered, d.orderedTime = false, never
}

// timeIsUp tells whether what still runs must stop now; it says so once for each limit.
func (d *drain) timeIsUp(now Time) bool {
	up := false
	for _, limit := range []*Time{&d.ownTime, &d.orderedTime} {
		if now >= *limit {
			*limit, up = never, true
		}
	}
	return up
}

// goodbye is the last message, once nothing is left to do, or the time for leaving is over.
func (d *drain) goodbye(idle bool, now Time) *pb.Goodbye {
	if !d.own || d.left || (!idle && now < d.leaveTime) {
		return nil
	}
	d.left = true
	d.leaveTime, d.endTime = never, after(now, goodbyeTimeout)
	if idle {
		return &pb.Goodbye{Message: "the agent leaves"}
	}
	return &pb.Goodbye{Message: "the agent leaves; some work did not stop in time"}
}

// leave tells, once, whether the stream, if there is one, can end for good: after Goodbye, or without one if nobody hears it.
func (d *drain) leave(idle, connected bool, now Time) bool {
	if d.left {
		over := now >= d.endTime
		if over {
			d.endTime = never
		}
		return over
	}
	// A coordinator that does not read keeps Goodbye from being sent: it is not waited for either.
	unheard := now >= after(d.leaveTime, goodbyeTimeout)
	alone := !connected && (idle || now >= d.leaveTime)
	if d.own && (unheard || alone) {
		d.left, d.leaveTime = true, never
		return true
	}
	return false
}
