package client

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// script is a stream that gives some numbers and ends so.
type script struct {
	numbers []int
	end     error
}

func (s *script) Recv() (int, error) {
	if len(s.numbers) == 0 {
		return 0, s.end
	}
	number := s.numbers[0]
	s.numbers = s.numbers[1:]
	return number, nil
}

// scripted opens one script after another.
func scripted(scripts ...*script) opener[int] {
	return func(context.Context) (receiver[int], error) {
		next := scripts[0]
		scripts = scripts[1:]
		return next, nil
	}
}

func TestABrokenStreamIsOpenedAgain(t *testing.T) {
	open := scripted(
		&script{[]int{1, 2}, status.Error(codes.Unavailable, "gone")},
		&script{nil, status.Error(codes.ResourceExhausted, "slow reader")},
		&script{[]int{3}, io.EOF},
		&script{[]int{4}, status.Error(codes.NotFound, "no such task")},
	)
	var got []int
	var end error
	for number, err := range reopened(t.Context(), open) {
		if end = err; err == nil {
			got = append(got, number)
		}
	}
	if !slices.Equal(got, []int{1, 2, 3, 4}) || CodeOf(end) != codes.NotFound {
		t.Fatalf("got %v, then %v", got, end)
	}
}

// quiet is a stream that says something, then nothing for long, and then breaks.
type quiet struct {
	script
	pause time.Duration
}

func (q *quiet) Recv() (int, error) {
	if len(q.numbers) == 0 {
		time.Sleep(q.pause)
	}
	return q.script.Recv()
}

func TestAnOutageBeginsWithTheBreakHoweverLongTheStreamWasQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := status.Error(codes.Unavailable, "gone")
		begun, opened := time.Now(), 0
		open := func(context.Context) (receiver[int], error) {
			if opened++; opened == 1 {
				return &quiet{script{[]int{1}, gone}, 2 * outageMax}, nil
			}
			return nil, gone
		}
		var got []int
		for number, err := range reopened(t.Context(), open) {
			if err == nil {
				got = append(got, number)
			}
		}
		if took := time.Since(begun); !slices.Equal(got, []int{1}) || took < 3*outageMax || opened < 10 {
			t.Fatalf("got %v; opened %d times in %s", got, opened, took)
		}
	})
}

func TestAStreamThatIsDoneIsNotOpenedAgain(t *testing.T) {
	for number, err := range reopenedUntilOK(t.Context(), scripted(&script{[]int{1}, io.EOF})) {
		if number != 1 || err != nil {
			t.Fatalf("got %v, %v", number, err)
		}
	}
}

func TestAReaderMayStopAtAnyTime(t *testing.T) {
	for range reopened(t.Context(), scripted(&script{[]int{1, 2}, io.EOF})) {
		break
	}
}

func TestTheEndOfTheContextIsTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	mine := errors.New("mine")
	for _, err := range reopened(ctx, scripted(&script{[]int{1}, status.Error(codes.Canceled, "")}, &script{})) {
		if err != nil && !errors.Is(err, mine) {
			t.Fatalf("got %v", err)
		}
		cancel(mine)
	}
}
