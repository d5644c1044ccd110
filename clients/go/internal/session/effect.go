package session

import (
	"time"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// Key names a lease.
type Key struct {
	TaskID string
	Token  uint64
}

// Effect is what the session asks its surroundings to do: Start, Stop, Reconnect or Leave.
type Effect interface{ effect() }

// Start asks to begin the lease's work: a slot is free for it. Answer with Session.Ended when it has ended, however that came.
type Start struct{ Lease *pb.Lease }

// Stop asks the lease's work to end soon; Session.Ended follows when it has.
type Stop struct {
	Key    Key
	Reason StopReason
}

// Reconnect asks to drop this stream and to open another after Delay and a random wait; at another address, if there is one and Elsewhere
// is set.
type Reconnect struct {
	Why       string
	Delay     time.Duration
	Elsewhere bool
}

// Leave asks to end the stream for good: the drain is over.
type Leave struct{}

func (Start) effect()     {}
func (Stop) effect()      {}
func (Reconnect) effect() {}
func (Leave) effect()     {}

// StopReason is why work that has started must stop. It is the error that the work's context ends with.
type StopReason string

// The reasons, as people read them.
const (
	StopCancel  StopReason = "the task was cancelled"
	StopTimeout StopReason = "the time limit for running was exceeded"
	StopLost    StopReason = "the lease could not be renewed in time"
	StopDropped StopReason = "the lease is not this agent's any more"
	StopDrain   StopReason = "the agent is draining"
)

// Error makes a reason the cause of a context's end.
func (r StopReason) Error() string { return string(r) }
