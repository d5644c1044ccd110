package agent

import (
	"context"
	"sync"
	"time"

	"missioncontrol.dev/client/internal/session"
	pb "missioncontrol.dev/client/missioncontrolv1"
)

// After the agent's end its handlers may take so long to return; then they are left behind.
const abandonTimeout = 2 * time.Second

// happening is something that work did, to be told to the session by its owner.
type happening func(*session.Session, session.Time)

// workers run the handlers, a goroutine for each lease. Only the loop calls its methods; the goroutines speak through happened.
type workers struct {
	handlers map[string]Handler
	happened chan happening
	// ended is closed when nobody takes what happens any more.
	ended   <-chan struct{}
	cancels map[session.Key]context.CancelCauseFunc
	running sync.WaitGroup
}

func newWorkers(handlers map[string]Handler, ended <-chan struct{}) *workers {
	return &workers{
		handlers: handlers, ended: ended,
		happened: make(chan happening), cancels: map[session.Key]context.CancelCauseFunc{},
	}
}

func (w *workers) start(lease *pb.Lease) {
	key := session.Key{TaskID: lease.GetTaskId(), Token: lease.GetToken()}
	ctx, cancel := context.WithCancelCause(context.Background())
	w.cancels[key] = cancel
	work := &Work{Lease: lease, report: func(progress *pb.Progress) {
		w.tell(func(s *session.Session, _ session.Time) { s.Progress(key, progress) })
	}}
	handler := w.handlers[lease.GetSpec().GetKind()]
	w.running.Go(func() {
		output, err := call(ctx, handler, work)
		outcome := outcomeOf(ctx, output, err)
		w.tell(func(s *session.Session, now session.Time) {
			cancel(nil)
			delete(w.cancels, key)
			s.Ended(key, outcome, now)
		})
	})
}

func (w *workers) stop(key session.Key, reason session.StopReason) {
	if cancel := w.cancels[key]; cancel != nil {
		cancel(reason)
	}
}

func (w *workers) tell(what happening) {
	select {
	case w.happened <- what:
	case <-w.ended:
	}
}

// abandon stops what still runs at the agent's end, and waits for it, but not for long.
func (w *workers) abandon() {
	for _, cancel := range w.cancels {
		cancel(session.StopDrain)
	}
	returned := make(chan struct{})
	go func() {
		w.running.Wait()
		close(returned)
	}()
	timeout := time.After(abandonTimeout)
	for {
		select {
		case <-w.happened: // nobody is there to be told
		case <-returned:
			return
		case <-timeout:
			return
		}
	}
}
