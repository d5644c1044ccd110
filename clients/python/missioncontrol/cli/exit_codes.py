"""What the exit codes of `missionctl` mean, and which error has which. Scripts rely on them: a code is never reused.

0    it went well
1    the task failed, was cancelled or expired; or a check found something
2    the command line or the request is wrong
3    no such task, agent or queue
4    refused: the state of things forbids it, a limit was reached, or this caller may not
5    nobody answered in time
6    the command belongs to a package that is not installed
70   a fault of the service, or of this program; of `agent run`: a newer process took over the agent's id
78   of `agent run`: the coordinator does not take this agent as it is
130  interrupted with Ctrl-C
141  nobody reads the output any more
"""

from __future__ import annotations

from collections.abc import Mapping

from missioncontrol import errors

OK = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
REFUSED = 4
UNREACHABLE = 5
NOT_INSTALLED = 6
FAULT = 70
INTERRUPTED = 130
PIPE_CLOSED = 141

SUMMARY = (
    "Exit codes: 0 it went well; 1 the task failed, or a check found something; 2 usage; 3 not found; 4 refused; "
    "5 nobody answered; 6 not installed; 70 a fault; 78 agent refused; 130 Ctrl-C; 141 the reader went away."
)

_BY_ERROR: Mapping[type[errors.MissionControlError], int] = {
    errors.TaskError: FAILED,
    errors.PayloadError: USAGE,
    errors.InvalidArgument: USAGE,
    errors.NotFound: NOT_FOUND,
    errors.AlreadyExists: REFUSED,
    errors.FailedPrecondition: REFUSED,
    errors.Aborted: REFUSED,
    errors.ResourceExhausted: REFUSED,
    errors.PermissionDenied: REFUSED,
    errors.Unauthenticated: REFUSED,
    errors.Unavailable: UNREACHABLE,
    errors.DeadlineExceeded: UNREACHABLE,
}


def exit_code(error: errors.MissionControlError) -> int:
    """The exit code of an error; FAULT for one that should not happen."""
    return next((_BY_ERROR[kind] for kind in type(error).__mro__ if kind in _BY_ERROR), FAULT)
