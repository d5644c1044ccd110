package session

import (
	"fmt"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// Outcome is how work ended, as its handler saw it: exactly one member is set. Cancelled means "stopped before it was done".
type Outcome struct {
	Succeeded *pb.Succeeded
	Failed    *pb.Failed
	Cancelled *pb.Cancelled
}

// finalReport is the last report of a lease, given whether its work had been told to stop; nil if nothing is to be said. A success wins over
// everything but a time limit, which the coordinator enforces, too. What failed while it was being stopped for the agent's own reasons is
// returned: the stop may have been the cause, and must not burn a retry.
func finalReport(outcome Outcome, stop StopReason) *pb.Report {
	switch {
	case stop == StopDropped:
		return nil
	case stop == StopTimeout:
		return failed(&pb.Failed{Failure: timeoutFailure(), Output: outcome.output(), Usage: outcome.usage()})
	case outcome.Succeeded != nil:
		return &pb.Report{Event: &pb.Report_Succeeded{Succeeded: outcome.Succeeded}}
	case stop == StopCancel:
		return &pb.Report{Event: &pb.Report_Cancelled{Cancelled: &pb.Cancelled{Output: outcome.output(), Usage: outcome.usage()}}}
	case stop != "":
		return returned(string(stop))
	case outcome.Failed != nil:
		return failed(outcome.Failed)
	}
	return failed(&pb.Failed{Failure: unaskedFailure(), Output: outcome.output(), Usage: outcome.usage()})
}

func (o Outcome) output() *pb.Payload {
	switch {
	case o.Succeeded != nil:
		return o.Succeeded.GetOutput()
	case o.Failed != nil:
		return o.Failed.GetOutput()
	}
	return o.Cancelled.GetOutput()
}

func (o Outcome) usage() *pb.Usage {
	switch {
	case o.Succeeded != nil:
		return o.Succeeded.GetUsage()
	case o.Failed != nil:
		return o.Failed.GetUsage()
	}
	return o.Cancelled.GetUsage()
}

// replacement is what is reported in place of an outcome that the coordinator called invalid, after so many such refusals.
func replacement(refused int, message string) *pb.Report {
	if refused > 1 {
		return returned("the coordinator refused two outcomes of this lease")
	}
	return failed(&pb.Failed{Failure: &pb.Failure{
		Reason:    pb.FailureReason_FAILURE_REASON_ERROR,
		Message:   Clip(fmt.Sprintf("the coordinator refused the outcome: %s", message), messageBytesMax),
		Code:      "OUTCOME_REFUSED",
		Permanent: true,
	}})
}

func timeoutFailure() *pb.Failure {
	return &pb.Failure{Reason: pb.FailureReason_FAILURE_REASON_TIMEOUT, Message: string(StopTimeout)}
}

func unaskedFailure() *pb.Failure {
	return &pb.Failure{
		Reason:  pb.FailureReason_FAILURE_REASON_ERROR,
		Message: "the handler was cancelled by something other than Mission Control",
		Code:    "CANCELLED_ITSELF",
	}
}

func failed(content *pb.Failed) *pb.Report {
	return &pb.Report{Event: &pb.Report_Failed{Failed: content}}
}

func returned(why string) *pb.Report {
	return &pb.Report{Event: &pb.Report_Returned{Returned: &pb.Returned{Message: why}}}
}

func rejected(why string) *pb.Report {
	return &pb.Report{Event: &pb.Report_Rejected{Rejected: &pb.Rejected{Message: Clip(why, messageBytesMax)}}}
}
