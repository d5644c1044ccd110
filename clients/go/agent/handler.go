package agent

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"

	client "missioncontrol.dev/client"
	"missioncontrol.dev/client/internal/session"
	pb "missioncontrol.dev/client/missioncontrolv1"
)

// Handler does the work of a task and returns its output, or an error: a *Failure says more than others. When the context ends it must
// stop and return soon; context.Cause tells why. What it returns with the context's error is kept with the attempt.
type Handler func(ctx context.Context, work *Work) (*pb.Payload, error)

// Work is one attempt at a task.
type Work struct {
	// Lease is all that there is to know for it: the task's id and spec, the token, how often it failed before.
	Lease  *pb.Lease
	report func(*pb.Progress)
}

// Decode reads the input as JSON.
func (w *Work) Decode(into any) error {
	return client.FromJSON(w.Lease.GetSpec().GetPayload(), into)
}

// Progress tells how far the work is: a fraction between 0 and 1, or NaN if that cannot be known, and a line for people. It may be called
// often: the newest is sent, at most once a second.
func (w *Work) Progress(fraction float64, message string) {
	progress := &pb.Progress{Message: session.Clip(message, noteBytesMax)}
	if !math.IsNaN(fraction) {
		fraction = min(max(fraction, 0), 1)
		progress.Fraction = &fraction
	}
	w.report(progress)
}

// Failure is an error of a handler that says more of itself.
type Failure struct {
	// Message is for people.
	Message string
	// Code is the application's own, on which retry policies can select.
	Code string
	// Permanent: trying again is pointless, whatever the policy says.
	Permanent bool
	// Reason is the failure's class; unset means FAILURE_REASON_ERROR.
	Reason pb.FailureReason
}

func (f *Failure) Error() string { return f.Message }

// call runs a handler; a panic of it is a failure of the attempt and not the end of the agent.
func call(ctx context.Context, handler Handler, work *Work) (output *pb.Payload, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = &Failure{Message: fmt.Sprintf("panic: %v\n%s", caught, debug.Stack()), Code: "PANIC"}
		}
	}()
	return handler(ctx, work)
}
