package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
)

const (
	// Between two streams: doubling from the first to the second, each a random part of it, so that all clients do not come at once.
	reopenBackoff    = 100 * time.Millisecond
	reopenBackoffMax = 2 * time.Second
	// Streams that break are opened again for so long, from the break of the last one that had something to say; a longer outage is an
	// error for somebody to see.
	outageMax = 5 * time.Minute
)

// receiver is the reading side of a generated stream.
type receiver[M any] interface {
	Recv() (M, error)
}

type opener[M any] func(context.Context) (receiver[M], error)

// reopened gives the messages of a stream that never ends by itself: one that does, well or not, is opened again.
func reopened[M any](ctx context.Context, open opener[M]) iter.Seq2[M, error] {
	return reopen(ctx, open, false)
}

// reopenedUntilOK is the same for a stream that is done when it ends well.
func reopenedUntilOK[M any](ctx context.Context, open opener[M]) iter.Seq2[M, error] {
	return reopen(ctx, open, true)
}

func reopen[M any](ctx context.Context, open opener[M], endsWell bool) iter.Seq2[M, error] {
	return func(yield func(M, error) bool) {
		var none M
		lostTime, heard, attempts := time.Now(), false, 0
		received := func(message M) bool {
			heard, attempts = true, 0
			return yield(message, nil)
		}
		for {
			stopped, err := drainStream(ctx, open, received)
			if stopped || (err == nil && endsWell) {
				return
			}
			if ctx.Err() != nil {
				yield(none, context.Cause(ctx))
				return
			}
			if heard { // it may have had nothing to say for hours: the outage begins with the break
				lostTime, heard = time.Now(), false
			}
			if err != nil && (!mended(err) || time.Since(lostTime) > outageMax) {
				yield(none, err)
				return
			}
			attempts++
			pause(ctx, attempts)
		}
	}
}

// drainStream hands out one stream's messages; it ends with the stream, or when the reader wants no more.
func drainStream[M any](ctx context.Context, open opener[M], received func(M) bool) (stopped bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(ctx)
	for err == nil {
		var message M
		if message, err = stream.Recv(); err == nil && !received(message) {
			return true, nil
		}
	}
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return false, ErrorOf(err)
}

// mended tells whether another stream may fare better. What the service says about the request itself stays as it is.
func mended(err error) bool {
	switch CodeOf(err) {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.Unauthenticated,
		codes.FailedPrecondition, codes.OutOfRange, codes.Unimplemented:
		return false
	}
	return true
}

func pause(ctx context.Context, attempts int) {
	longest := min(reopenBackoff<<min(attempts, 10), reopenBackoffMax)
	select {
	case <-ctx.Done():
	case <-time.After(rand.N(longest)):
	}
}
