"""Which report ends a lease, given how its work ended and whether it had been told to stop. Pure.

Handlers end in one of three ways: Succeeded, Failed, or Cancelled, which here means "stopped before it was done".
"""

from __future__ import annotations

from missioncontrol.session_effects import StopReason
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2

Outcome = pb.Succeeded | pb.Failed | pb.Cancelled
Report = tuple[str, Outcome | pb.Returned | pb.Rejected]


def final_report(outcome: Outcome, stop: StopReason | None) -> Report | None:
    """The event and the content of a lease's last report; None if nothing is to be said.

    A success wins over everything but a time limit, which the coordinator enforces too. What failed while it was being
    stopped for the agent's own reasons is returned: the stop may have been the cause, and must not burn a retry.
    """
    if stop is StopReason.DROPPED:
        return None
    if stop is StopReason.TIMEOUT:
        return "failed", pb.Failed(failure=timeout_failure(), output=outcome.output, usage=outcome.usage)
    if isinstance(outcome, pb.Succeeded):
        return "succeeded", outcome
    return _unfinished(outcome, stop)


def _unfinished(outcome: pb.Failed | pb.Cancelled, stop: StopReason | None) -> Report:
    if stop is StopReason.CANCEL:
        return "cancelled", pb.Cancelled(output=outcome.output, usage=outcome.usage)
    if stop is not None:
        return "returned", pb.Returned(message=stop.value)
    if isinstance(outcome, pb.Failed):
        return "failed", outcome
    return "failed", pb.Failed(failure=unasked_failure(), output=outcome.output, usage=outcome.usage)


def replacement(refused: int, message: str) -> Report:
    """What is reported in place of an outcome that the coordinator called invalid, after so many such refusals."""
    if refused > 1:
        return "returned", pb.Returned(message="the coordinator refused two outcomes of this lease")
    failure = task_pb2.Failure(
        reason=task_pb2.FAILURE_REASON_ERROR,
        message=f"the coordinator refused the outcome: {message}"[:1000],
        code="OUTCOME_REFUSED",
        permanent=True,
    )
    return "failed", pb.Failed(failure=failure)


def timeout_failure() -> task_pb2.Failure:
    """The failure of work that ran into its time limit."""
    return task_pb2.Failure(reason=task_pb2.FAILURE_REASON_TIMEOUT, message=StopReason.TIMEOUT.value)


def unasked_failure() -> task_pb2.Failure:
    """The failure of work that stopped by itself, as if it had been cancelled."""
    message = "the handler was cancelled by something other than Mission Control"
    return task_pb2.Failure(reason=task_pb2.FAILURE_REASON_ERROR, message=message, code="CANCELLED_ITSELF")
