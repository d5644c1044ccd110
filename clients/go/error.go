package client

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is what a service, or the way to it, refused: the status with its details read. Use errors.As to get at it.
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code
	// Message is for people.
	Message string
	// Reason is stable and for programs, such as "TASK_NOT_FOUND"; empty if no service said why (a proxy, a broken connection).
	Reason string
	// Domain is who defined the reason: "missioncontrol".
	Domain string
	// Metadata are further facts by name.
	Metadata map[string]string
	// Fields are the fields of the request that are wrong.
	Fields []FieldViolation
	// RetryDelay is how long to wait before trying again; 0 if the service names no time.
	RetryDelay time.Duration

	status *status.Status
}

// FieldViolation is one wrong field of a request.
type FieldViolation struct {
	// Field is its path, such as "spec.queue".
	Field string
	// Description says what is wrong.
	Description string
	// Reason is the id of the rule that it breaks.
	Reason string
}

// ErrorOf reads a gRPC error; nil stays nil, and an *Error stays what it is.
func ErrorOf(err error) error {
	if err == nil {
		return nil
	}
	if known := (*Error)(nil); errors.As(err, &known) {
		return err
	}
	// What is no status, such as a context's end, becomes the code that stands for it.
	found, ok := status.FromError(err)
	if !ok {
		found = status.FromContextError(err)
	}
	return errorOf(found)
}

// ErrorOfStatus reads a status inside an answer, such as one item's result of a batch; nil if it is OK.
func ErrorOfStatus(result *statuspb.Status) error {
	if found := status.FromProto(result); found.Code() != codes.OK {
		return errorOf(found)
	}
	return nil
}

// CodeOf is the gRPC code of an error; codes.Unknown if it is none of a call.
func CodeOf(err error) codes.Code {
	return status.Code(err)
}

func errorOf(found *status.Status) *Error {
	e := &Error{Code: found.Code(), Message: found.Message(), status: found}
	for _, detail := range found.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			e.Reason, e.Domain, e.Metadata = detail.GetReason(), detail.GetDomain(), detail.GetMetadata()
		case *errdetails.BadRequest:
			for _, each := range detail.GetFieldViolations() {
				e.Fields = append(e.Fields, FieldViolation{each.GetField(), each.GetDescription(), each.GetReason()})
			}
		case *errdetails.RetryInfo:
			e.RetryDelay = detail.GetRetryDelay().AsDuration()
		}
	}
	return e
}

// Error is one line: "INVALID_ARGUMENT, REASON: message [field: what is wrong]".
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString(e.CodeName())
	if e.Reason != "" {
		text.WriteString(", " + e.Reason)
	}
	text.WriteString(": " + e.Message)
	for _, each := range e.Fields {
		fmt.Fprintf(&text, " [%s: %s]", each.Field, each.Description)
	}
	return text.String()
}

// CodeName is the code as the contract writes it, such as "NOT_FOUND".
func (e *Error) CodeName() string {
	return code.Code(e.Code).String()
}

// GRPCStatus gives the status back to gRPC's own helpers.
func (e *Error) GRPCStatus() *status.Status {
	return e.status
}
