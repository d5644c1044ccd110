package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"missioncontrol.dev/client/internal/session"
	pb "missioncontrol.dev/client/missioncontrolv1"
)

// The contract's bounds of what a report says.
const (
	noteBytesMax        = 1024
	messageBytesMax     = 8 * 1024
	codeBytesMax        = 128
	contentTypeBytesMax = 128
	payloadBytesMax     = 256 * 1024
)

// outcomeOf is how a handler's work ended, within the contract's bounds: what breaks them would be refused, or could not be sent at all.
func outcomeOf(ctx context.Context, output *pb.Payload, err error) session.Outcome {
	if wrong := payloadFailure(output); wrong != nil {
		output = nil
		if err == nil {
			err = wrong
		}
	}
	switch {
	case err == nil:
		return session.Outcome{Succeeded: &pb.Succeeded{Output: output}}
	case ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))):
		return session.Outcome{Cancelled: &pb.Cancelled{Output: output}}
	}
	return session.Outcome{Failed: &pb.Failed{Failure: failureOf(err), Output: output}}
}

func failureOf(err error) *pb.Failure {
	failure := &Failure{Message: err.Error()}
	errors.As(err, &failure)
	return &pb.Failure{
		Reason:    cmp.Or(failure.Reason, pb.FailureReason_FAILURE_REASON_ERROR),
		Message:   session.Clip(err.Error(), messageBytesMax),
		Code:      session.Clip(failure.Code, codeBytesMax),
		Permanent: failure.Permanent,
	}
}

func payloadFailure(output *pb.Payload) *Failure {
	if size := len(output.GetData()); size > payloadBytesMax {
		return &Failure{
			Message: fmt.Sprintf("the output has %d bytes; at most %d are kept", size, payloadBytesMax),
			Reason:  pb.FailureReason_FAILURE_REASON_RESOURCE_EXHAUSTED, Code: "OUTPUT_TOO_LARGE", Permanent: true,
		}
	}
	if kind := output.GetContentType(); len(kind) > contentTypeBytesMax || !utf8.ValidString(kind) {
		return &Failure{Message: "the output's content type is too long, or no UTF-8", Code: "OUTPUT_INVALID", Permanent: true}
	}
	return nil
}
