package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"missioncontrol.dev/client/internal/session"
	pb "missioncontrol.dev/client/missioncontrolv1"
)

func TestAHandlersReturnIsAnOutcome(t *testing.T) {
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(session.StopCancel)
	output := &pb.Payload{Data: []byte("x")}

	if got := outcomeOf(t.Context(), output, nil); got.Succeeded.GetOutput() != output {
		t.Errorf("a success became %v", got)
	}
	for _, err := range []error{ended.Err(), context.Cause(ended), fmt.Errorf("in the middle: %w", ended.Err())} {
		if got := outcomeOf(ended, output, err); got.Cancelled.GetOutput() != output {
			t.Errorf("%v became %v", err, got)
		}
	}
	if got := outcomeOf(t.Context(), nil, context.Canceled); got.Failed == nil {
		t.Errorf("a cancel that nobody asked for became %v", got)
	}
	failure := outcomeOf(ended, nil, errors.New("broken")).Failed.GetFailure()
	if failure.GetReason() != pb.FailureReason_FAILURE_REASON_ERROR || failure.GetMessage() != "broken" {
		t.Errorf("an error became %v", failure)
	}
}

func TestAFailureIsCutToTheContractsBounds(t *testing.T) {
	long := strings.Repeat("ü", 10_000) + "\xff"
	failure := outcomeOf(t.Context(), nil, &Failure{Message: long, Code: long, Permanent: true}).Failed.GetFailure()
	if len(failure.GetMessage()) > messageBytesMax || len(failure.GetCode()) > codeBytesMax || !failure.GetPermanent() {
		t.Errorf("%d and %d bytes", len(failure.GetMessage()), len(failure.GetCode()))
	}
}

func TestAnOutputThatCouldNotBeSentIsAFailure(t *testing.T) {
	for code, output := range map[string]*pb.Payload{
		"OUTPUT_TOO_LARGE": {Data: make([]byte, payloadBytesMax+1)},
		"OUTPUT_INVALID":   {ContentType: "\xff"},
	} {
		if got := outcomeOf(t.Context(), output, nil).Failed.GetFailure().GetCode(); got != code {
			t.Errorf("got %q, want %q", got, code)
		}
	}
}

func TestAPanicIsAFailure(t *testing.T) {
	_, err := call(t.Context(), func(context.Context, *Work) (*pb.Payload, error) { panic("oops") }, &Work{})
	var failure *Failure
	if !errors.As(err, &failure) || failure.Code != "PANIC" || !strings.Contains(failure.Message, "oops") {
		t.Errorf("got %v", err)
	}
}
