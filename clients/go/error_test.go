package client

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestTheDetailsOfAStatusAreRead(t *testing.T) {
	detailed, err := status.New(codes.ResourceExhausted, "full").WithDetails(
		&errdetails.ErrorInfo{Reason: "QUEUE_FULL", Domain: "missioncontrol", Metadata: map[string]string{"queue": "q"}},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "spec", Description: "bad"}}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(2 * time.Second)},
	)
	if err != nil {
		t.Fatal(err)
	}

	var read *Error
	if !errors.As(fmt.Errorf("wrapped: %w", ErrorOf(detailed.Err())), &read) {
		t.Fatal("no *Error")
	}

	if read.Code != codes.ResourceExhausted || read.Reason != "QUEUE_FULL" || read.Domain != "missioncontrol" {
		t.Errorf("read %+v", read)
	}
	if read.Metadata["queue"] != "q" || read.RetryDelay != 2*time.Second || read.Fields[0] != (FieldViolation{"spec", "bad", ""}) {
		t.Errorf("read %+v", read)
	}
	if got, want := read.Error(), "RESOURCE_EXHAUSTED, QUEUE_FULL: full [spec: bad]"; got != want {
		t.Errorf("says %q", got)
	}
	if CodeOf(read) != codes.ResourceExhausted || CodeOf(ErrorOfStatus(detailed.Proto())) != codes.ResourceExhausted {
		t.Error("the code is lost")
	}
}

func TestAPlainStatusIsAnErrorWithoutAReason(t *testing.T) {
	var read *Error
	if !errors.As(ErrorOf(status.Error(codes.Unavailable, "gone")), &read) || read.Reason != "" {
		t.Fatalf("read %+v", read)
	}
}

func TestAnEndedContextIsItsCode(t *testing.T) {
	if got := CodeOf(ErrorOf(context.DeadlineExceeded)); got != codes.DeadlineExceeded {
		t.Fatalf("got %v", got)
	}
}

func TestNoErrorStaysNone(t *testing.T) {
	if ErrorOf(nil) != nil || ErrorOfStatus(nil) != nil {
		t.Fatal("an error out of nothing")
	}
}
