"""The fold: which rule answers which command, and what has to be read for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from services.domain import (
    admission,
    agent_change,
    backpressure,
    bulk,
    dependencies,
    grant,
    report,
    retention,
    revoke,
    schedules,
    submit,
)
from services.domain.commands import (
    AdmitAgent,
    AdoptAgents,
    ApplyReports,
    CancelTask,
    ChangeAgent,
    ChangeQueue,
    ChangeSelectedAgent,
    Command,
    CreateTasks,
    EndSession,
    EnforceDrain,
    ExpireAgent,
    Forget,
    GrantLeases,
    Renew,
    ReviewAdmission,
    RevokeLeases,
    SettleDependents,
    WakeTasks,
)
from services.domain.errors import MissionControlError
from services.domain.ledger import Ledger, Touches
from services.domain.schedule_commands import DeleteSchedule, FireSchedule, PauseSchedule, PutSchedule
from services.domain.task_changes import ChangeTasks

RULES: dict[type, tuple[Callable[[Any, Touches], None], Callable[[Ledger, Any], Any]]] = {
    CreateTasks: (submit.touch_create, submit.create_tasks),
    GrantLeases: (grant.touch_grant, grant.grant_leases),
    ApplyReports: (report.touch_reports, report.apply_reports),
    CancelTask: (revoke.touch_cancel, revoke.cancel_task),
    ChangeTasks: (bulk.touch_change_tasks, bulk.change_tasks),
    RevokeLeases: (revoke.touch_revoke, revoke.revoke_leases),
    ExpireAgent: (revoke.touch_expire, revoke.expire_agent),
    WakeTasks: (revoke.touch_wake, revoke.wake_tasks),
    AdmitAgent: (admission.touch_agent, admission.admit_agent),
    EndSession: (admission.touch_agent, admission.end_session),
    AdoptAgents: (admission.touch_adopt, admission.adopt_agents),
    ChangeAgent: (agent_change.touch_change_agent, agent_change.change_agent),
    ChangeSelectedAgent: (agent_change.touch_change_agent, agent_change.change_selected_agent),
    EnforceDrain: (agent_change.touch_enforce_drain, agent_change.enforce_drain),
    ChangeQueue: (admission.touch_queue, admission.change_queue),
    PutSchedule: (schedules.touch_schedule, schedules.put_schedule),
    PauseSchedule: (schedules.touch_schedule, schedules.pause_schedule),
    DeleteSchedule: (schedules.touch_schedule, schedules.delete_schedule),
    FireSchedule: (schedules.touch_fire, schedules.fire_schedule),
    ReviewAdmission: (backpressure.touch_review, backpressure.review_admission),
    Forget: (retention.touch_forget, retention.forget),
    SettleDependents: (dependencies.touch_settle, dependencies.settle_dependents),
    Renew: (lambda _command, _touches: None, lambda _ledger, _command: None),
}


def touched(commands: Iterable[Command]) -> Touches:
    """What has to be read for these commands. The store adds what follows from the tasks: their agents and queues."""
    touches = Touches()
    for command in commands:
        RULES[type(command)][0](command, touches)
    return touches


def fold(ledger: Ledger, command: Command) -> Any:
    """Applies one command. Returns its answer, or the domain error that is its answer."""
    try:
        return RULES[type(command)][1](ledger, command)
    except MissionControlError as error:
        return error
