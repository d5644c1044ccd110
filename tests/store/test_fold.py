"""The rules, on a real database: each test is one promise of INVARIANTS, or one edge of the life of a task."""

from __future__ import annotations

import time

import pytest

from services.domain.agent import AgentState
from services.domain.commands import (
    OUTCOMES,
    AdoptAgents,
    AgentAction,
    ChangeAgent,
    ChangeQueue,
    Created,
    CreateTasks,
    ExpireAgent,
    PlacementOutcome,
    RefusalReason,
    Report,
    ReportKind,
)
from services.domain.errors import AlreadyExists, IncarnationSuperseded, NotFound, SessionSuperseded
from services.domain.event import EventType
from services.domain.failure import Failure, FailureReason
from services.domain.policy import QueuePolicy, Strategy
from services.domain.requirements import Requirements
from services.domain.retry import RetryPolicy
from services.domain.task import TaskState
from services.store.writer import TermLost
from tests.store.world import KIND, NAMESPACE, World, ended, key, new_task


def types(world: World) -> list[EventType]:
    return [event.type for event in world.events if event.task_id]


def test_a_task_goes_from_submit_to_success_with_one_event_per_edge(world: World) -> None:
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    assert world.finish("a", "t") == []
    assert world.task("t").state is TaskState.SUCCEEDED
    assert types(world) == [
        EventType.TASK_CREATED,
        EventType.TASK_LEASED,
        EventType.TASK_STARTED,
        EventType.TASK_SUCCEEDED,
    ]


def test_start_and_end_in_one_flush_are_folded_in_order(world: World) -> None:
    world.connect("a")
    world.submit("t")
    world.grant("t", "a")
    reports = [Report(1, "t", 1, ReportKind.STARTED), ended(2, "t", 1, ReportKind.SUCCEEDED)]
    assert world.report("a", *reports) == []
    assert world.task("t").version == 4


def test_the_same_request_id_gives_the_same_task_in_one_flush_and_later(world: World) -> None:
    both = CreateTasks([new_task("t1", request_id="r"), new_task("t2", request_id="r")])
    first, second = world.flush(both)[0]
    later = world.submit("t3", request_id="r")
    assert (first.task_id, second.task_id, getattr(later, "task_id", None)) == ("t1", "t1", "t1")
    assert isinstance(later, Created)
    assert later.deduplicated


def test_a_request_id_with_another_body_names_the_task_that_has_it(world: World) -> None:
    world.submit("t1", request_id="r")
    answer = world.submit("t2", request_id="r", digest="other")
    assert isinstance(answer, AlreadyExists)
    assert answer.metadata["task_id"] == "t1"


def test_request_ids_of_two_namespaces_do_not_meet(world: World) -> None:
    world.submit("t1", request_id="r")
    answer = world.submit("t2", request_id="r", namespace="other", digest="other")
    assert isinstance(answer, Created)
    assert answer.task_id == "t2"


def test_a_second_grant_of_a_leased_task_is_refused(world: World) -> None:
    world.connect("a")
    world.connect("b")
    world.submit("t")
    assert world.grant("t", "a") is PlacementOutcome.GRANTED
    assert world.grant("t", "b") is PlacementOutcome.TASK_GONE


def test_tokens_only_rise(world: World) -> None:
    world.connect("a")
    world.connect("b")
    world.submit("t")
    world.run("a", "t")
    world.lose("a", "t")
    world.run("b", "t")
    assert world.task("t").token == 2


def test_everything_that_a_zombie_says_is_refused(world: World) -> None:
    """S4: an agent that was stopped past its lease wakes up, on the session that it still believes in."""
    world.connect("a")
    world.connect("b")
    world.submit("t")
    world.run("a", "t")
    world.lose("a", "t")
    world.run("b", "t")
    kinds = (ReportKind.STARTED, ReportKind.PROGRESS, ReportKind.CHECKPOINT)
    said = [Report(100 + kind, "t", 1, kind) for kind in kinds]
    said += [ended(110 + kind, "t", 1, kind) for kind in (ReportKind.SUCCEEDED, ReportKind.FAILED, ReportKind.RETURNED)]
    refusals = world.report("a", *said)
    assert [refusal.reason for refusal in refusals] == [RefusalReason.STALE] * len(said)
    assert world.task("t").state is TaskState.RUNNING
    assert world.finish("b", "t") == []


def test_reports_of_an_older_session_or_incarnation_are_refused_whole(world: World) -> None:
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    old = world.sessions["a"]
    world.connect("a", again=True, held=[("t", 1)])
    world.sessions["a"], new = old, world.sessions["a"]
    with pytest.raises(SessionSuperseded):
        world.finish("a", "t")
    world.sessions["a"] = new
    world.incarnations["a"], incarnation = "another", world.incarnations["a"]
    with pytest.raises(SessionSuperseded):
        world.finish("a", "t")
    world.incarnations["a"] = incarnation
    assert world.finish("a", "t") == []


def test_an_identical_report_gets_ok_whatever_happened_since(world: World) -> None:
    """S5: the reply was lost, the agent says it again, on another session, after a retry has run elsewhere."""
    world.connect("a")
    world.connect("b")
    world.submit("t", retry=RetryPolicy(initial_backoff_seconds=0.0))
    world.run("a", "t")
    said = [Report(1, "t", 1, ReportKind.STARTED), ended(2, "t", 1, ReportKind.FAILED)]
    assert world.report("a", *said) == []
    assert world.report("a", *said) == []
    world.wake("t")
    world.run("b", "t")
    world.finish("b", "t")
    world.connect("a", again=True)
    assert world.report("a", *said) == []
    assert world.task("t").failures == 1


def test_another_outcome_of_a_recorded_attempt_is_stale(world: World) -> None:
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    world.finish("a", "t")
    (refusal,) = world.report("a", ended(9, "t", 1, ReportKind.FAILED))
    assert refusal.reason is RefusalReason.STALE


def test_an_older_token_of_the_same_agent_and_session_says_nothing_any_more(world: World) -> None:
    """S4: the agent gave the lease back and got the task again; what it said of the first lease comes late."""
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    world.finish("a", "t", ReportKind.RETURNED)
    world.run("a", "t")
    before = world.task("t")
    assert before.token == 2

    refusals = world.report("a", *(ended(9 + n, "t", 1, kind) for n, kind in enumerate(sorted(OUTCOMES))))

    assert [refusal.reason for refusal in refusals] == [RefusalReason.STALE] * (len(OUTCOMES) - 1), "but RETURNED again"
    assert world.task("t") == before


def test_a_failed_attempt_is_retried_with_backoff_until_the_policy_ends(world: World) -> None:
    world.connect("a")
    world.submit("t", retry=RetryPolicy(attempts_max=2, initial_backoff_seconds=0.0))
    world.run("a", "t")
    world.finish("a", "t", ReportKind.FAILED)
    assert world.task("t").state is TaskState.SCHEDULED
    world.wake("t")
    world.run("a", "t")
    world.finish("a", "t", ReportKind.FAILED)
    task = world.task("t")
    assert (task.state, task.failures, task.failure_reason) == (TaskState.FAILED, 2, FailureReason.ERROR)


def test_a_permanent_failure_is_not_retried(world: World) -> None:
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    world.finish("a", "t", ReportKind.FAILED, failure=Failure(FailureReason.ERROR, "no", permanent=True))
    assert world.task("t").state is TaskState.FAILED


def test_a_task_that_loses_its_agents_becomes_a_dead_letter(world: World) -> None:
    """S7: three redeliveries, then FAILED; no retry is burned."""
    world.submit("t")
    for number in range(4):
        agent = f"a{number}"
        world.connect(agent)
        world.run(agent, "t")
        world.lose(agent, "t")
    task = world.task("t")
    assert (task.state, task.redeliveries, task.failures) == (TaskState.FAILED, 4, 0)
    assert task.failure_reason == FailureReason.DEAD_LETTER


def test_loss_before_the_start_return_and_reject_count_nothing(world: World) -> None:
    world.connect("a", slots=5)
    world.connect("b", slots=5)
    world.submit("t")
    world.grant("t", "a")
    world.lose("a", "t")
    world.grant("t", "b")
    world.finish("b", "t", ReportKind.RETURNED)
    world.run("b", "t")
    world.finish("b", "t", ReportKind.RETURNED)
    world.grant("t", "b")
    world.finish("b", "t", ReportKind.REJECTED)
    task = world.task("t")
    assert (task.state, task.redeliveries, task.failures) == (TaskState.PENDING, 0, 0)
    assert {avoided.agent_id for avoided in task.avoid} == {"a", "b"}


def test_an_agent_that_rejected_a_task_does_not_get_it_again_at_once(world: World) -> None:
    world.connect("a")
    world.submit("t")
    world.grant("t", "a")
    world.finish("a", "t", ReportKind.REJECTED)
    assert world.grant("t", "a") is PlacementOutcome.INELIGIBLE


def test_a_requeued_task_keeps_its_first_queued_time(world: World) -> None:
    world.connect("a")
    world.submit("t")
    queued = world.task("t").queued_time
    world.run("a", "t")
    world.lose("a", "t")
    assert world.task("t").queued_time == queued


@pytest.mark.parametrize("step", ["pending", "leased", "running"])
def test_a_cancel_ends_a_task_at_every_step(world: World, step: str) -> None:
    world.connect("a")
    world.submit("t")
    if step != "pending":
        world.grant("t", "a")
    if step == "running":
        world.start("a", "t")
    world.cancel("t")
    if step != "pending":
        assert world.task("t").cancel_request_time > 0
        assert world.last is not None
        assert [(order.task_id, order.token) for order in world.last.cancels] == [("t", 1)]
        world.finish("a", "t", ReportKind.CANCELLED)
    assert world.task("t").state is TaskState.CANCELLED


@pytest.mark.parametrize("kind", [ReportKind.FAILED, ReportKind.RETURNED, ReportKind.CANCELLED])
def test_after_a_cancel_only_a_success_can_win(world: World, kind: ReportKind) -> None:
    world.connect("a")
    for task_id in ("t1", "t2"):
        world.submit(task_id)
        world.run("a", task_id)
        world.cancel(task_id)
    world.finish("a", "t1", kind)
    world.finish("a", "t2", ReportKind.SUCCEEDED)
    assert world.task("t1").state is TaskState.CANCELLED
    assert world.task("t2").state is TaskState.SUCCEEDED


def test_a_cancelled_task_whose_agent_is_lost_is_cancelled_not_requeued(world: World) -> None:
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    world.cancel("t")
    world.lose("a", "t")
    assert world.task("t").state is TaskState.CANCELLED


def test_a_cancel_of_a_terminal_task_changes_nothing(world: World) -> None:
    """S6."""
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    world.finish("a", "t")
    before = world.task("t")
    assert world.cancel("t") == before
    assert world.task("t") == before


def test_foreign_and_missing_tasks_get_the_same_words(world: World) -> None:
    world.submit("t", namespace="other")
    with pytest.raises(NotFound) as foreign:
        world.cancel("t")
    with pytest.raises(NotFound) as missing:
        world.cancel("x")
    assert foreign.value.message.replace(" t ", " x ") == missing.value.message


def test_slots_and_resources_are_never_oversubscribed(world: World) -> None:
    """S13."""
    world.connect("a", slots=3, resources={"gpu": 1.0})
    gpu = Requirements(resources={"gpu": 0.6})
    for task_id in ("t1", "t2"):
        world.submit(task_id, requirements=gpu)
    for task_id in ("t3", "t4", "t5"):
        world.submit(task_id)
    assert world.grant("t1", "a") is PlacementOutcome.GRANTED
    assert world.grant("t2", "a") is PlacementOutcome.AGENT_FULL
    assert world.grant("t3", "a") is PlacementOutcome.GRANTED
    assert world.grant("t4", "a") is PlacementOutcome.GRANTED
    assert world.grant("t5", "a") is PlacementOutcome.AGENT_FULL
    world.start("a", "t1")
    world.finish("a", "t1")
    assert world.grant("t2", "a") is PlacementOutcome.GRANTED
    assert world.agent("a").resources_used == {"gpu": 0.6}


@pytest.mark.parametrize("strategy", list(Strategy))
def test_an_agents_own_queue_is_for_strategies_that_bind_early(world: World, strategy: Strategy) -> None:
    """Who decides on what was so a moment ago is refused: the task would wait behind another, beside free slots."""
    world.do(ChangeQueue((NAMESPACE, "default"), QueuePolicy(strategy=strategy)))
    world.connect("a", slots=1, queue_limit=1)
    for task_id in ("t1", "t2", "t3"):
        world.submit(task_id)
    assert world.grant("t1", "a") is PlacementOutcome.GRANTED
    second = PlacementOutcome.AGENT_FULL if strategy is Strategy.CENTRAL_QUEUE else PlacementOutcome.GRANTED
    assert world.grant("t2", "a") is second
    assert world.grant("t3", "a") is PlacementOutcome.AGENT_FULL


def test_an_agent_that_comes_back_with_fewer_slots_keeps_its_leases_and_gets_nothing_until_it_has_room(
    world: World,
) -> None:
    """S13: the agent has work that does not stop, and offers what is left."""
    world.connect("a", slots=3)
    for task_id in ("t1", "t2", "t3"):
        world.submit(task_id)
    world.run("a", "t1")
    world.run("a", "t2")
    world.connect("a", held=[("t1", 1), ("t2", 1)], again=True, slots=1)
    assert world.agent("a").leases == 2
    assert world.grant("t3", "a") is PlacementOutcome.AGENT_FULL
    world.finish("a", "t1")
    assert world.grant("t3", "a") is PlacementOutcome.AGENT_FULL
    world.finish("a", "t2")
    assert world.grant("t3", "a") is PlacementOutcome.GRANTED


def test_requirements_are_checked_again_at_the_grant(world: World) -> None:
    world.connect("a", capabilities=("cuda",))
    world.submit("t1", requirements=Requirements(capabilities=("rust",)))
    world.submit("t2", kind="other")
    world.submit("t3", requirements=Requirements(capabilities=("cuda",)))
    outcomes = [world.grant(task_id, "a") for task_id in ("t1", "t2", "t3")]
    assert outcomes == [PlacementOutcome.INELIGIBLE, PlacementOutcome.INELIGIBLE, PlacementOutcome.GRANTED]


@pytest.mark.parametrize("action", [AgentAction.CORDON, AgentAction.DRAIN, AgentAction.NOTICE])
def test_no_lease_is_granted_after_a_drain_or_cordon_committed(world: World, action: AgentAction) -> None:
    """S14."""
    world.connect("a")
    world.submit("t")
    world.do(ChangeAgent(key("a"), action, session=world.sessions["a"]))
    assert world.grant("t", "a") is PlacementOutcome.AGENT_NOT_ACCEPTING


def test_a_paused_queue_grants_nothing(world: World) -> None:
    world.connect("a")
    world.submit("t")
    world.do(ChangeQueue((NAMESPACE, "default"), paused=True))
    assert world.grant("t", "a") is PlacementOutcome.QUEUE_PAUSED
    world.do(ChangeQueue((NAMESPACE, "default"), paused=False))
    assert world.grant("t", "a") is PlacementOutcome.GRANTED


def test_pausing_a_paused_queue_records_nothing(world: World) -> None:
    world.do(ChangeQueue((NAMESPACE, "q"), paused=True))
    count = len(world.events)
    world.do(ChangeQueue((NAMESPACE, "q"), paused=True))
    assert len(world.events) == count


def test_hello_returns_what_it_does_not_name_uncounted_if_it_never_started(world: World) -> None:
    world.connect("a")
    world.submit("t1")
    world.submit("t2")
    world.run("a", "t1")
    world.grant("t2", "a")
    admission = world.connect("a", again=True, held=[("t1", 1), ("ghost", 7)])
    assert [task.id for task in admission.kept] == ["t1"]
    assert admission.dropped == [("ghost", 7)]
    task = world.task("t2")
    assert (task.state, task.redeliveries) == (TaskState.PENDING, 0)


def test_a_new_process_has_nothing_of_the_old_ones_work(world: World) -> None:
    """S17, S7: what the old process ran counts as lost with it, even if the new one claims it."""
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    admission = world.connect("a", held=[("t", 1)])
    assert admission.kept == []
    task = world.task("t")
    assert (task.state, task.redeliveries) == (TaskState.PENDING, 1)


def test_an_older_incarnation_is_refused_for_good(world: World) -> None:
    world.connect("a")
    old = world.incarnations["a"]
    world.connect("a")
    new = world.incarnations["a"]
    world.incarnations["a"] = old
    with pytest.raises(IncarnationSuperseded):
        world.connect("a", again=True)
    world.incarnations["a"] = new
    assert world.connect("a", again=True).session == 3


def test_a_goodbye_returns_everything_and_burns_nothing(world: World) -> None:
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    world.leave("a")
    task = world.task("t")
    assert (task.state, task.redeliveries, task.failures) == (TaskState.PENDING, 0, 0)
    assert world.agent("a").state is AgentState.OFFLINE


def test_a_broken_stream_leaves_the_leases_and_takes_no_new_ones(world: World) -> None:
    world.connect("a")
    world.submit("t1")
    world.submit("t2")
    world.run("a", "t1")
    world.leave("a", goodbye=False)
    assert world.task("t1").state is TaskState.RUNNING
    assert world.grant("t2", "a") is PlacementOutcome.AGENT_GONE
    world.connect("a", again=True, held=[("t1", 1)])
    assert world.finish("a", "t1") == []


def test_a_lease_that_ran_out_on_an_older_session_is_left_alone(world: World) -> None:
    """S3: the sweeper saw the old session; the agent has moved on since."""
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    old = world.sessions["a"]
    world.connect("a", again=True, held=[("t", 1)])
    world.sessions["a"], new = old, world.sessions["a"]
    world.lose("a", "t")
    world.sessions["a"] = new
    assert world.task("t").state is TaskState.RUNNING


def test_after_a_start_agents_get_their_grace_once_and_a_hello_ends_it(world: World) -> None:
    world.connect("a")
    world.connect("b")
    world.submit("t1")
    world.submit("t2")
    world.run("a", "t1")
    world.run("b", "t2")
    world.do(AdoptAgents([(key(name), world.sessions[name]) for name in ("a", "b")]))
    agent = world.agent("a")
    assert agent.state is AgentState.DISCONNECTED
    assert agent.expire_time > time.time_ns() // 1000
    world.do(ExpireAgent(key("a"), world.sessions["a"]))
    assert world.task("t1").state is TaskState.RUNNING, "the grace is not over"
    world.connect("b", again=True, held=[("t2", 1)])
    assert world.agent("b").expire_time == 0
    assert world.task("t2").state is TaskState.RUNNING


def test_a_task_waits_for_its_time(world: World) -> None:
    world.connect("a")
    world.submit("t", not_before_time=time.time_ns() // 1000 + 3_600_000_000)
    assert world.task("t").state is TaskState.SCHEDULED
    assert world.grant("t", "a") is PlacementOutcome.TASK_GONE
    world.wake("t")
    assert world.task("t").state is TaskState.SCHEDULED, "its time has not come"


@pytest.mark.parametrize("leased", [False, True])
def test_a_task_that_does_not_start_in_time_expires(world: World, leased: bool) -> None:
    world.connect("a")
    world.submit("t", queue_limit_micros=1)
    if leased:
        world.grant("t", "a")
    world.wake("t")
    task = world.task("t")
    assert (task.state, task.failure_reason) == (TaskState.EXPIRED, FailureReason.QUEUE_TIMEOUT)
    assert world.agent("a").leases == 0
    if leased:
        assert [refusal.reason for refusal in world.report("a", Report(1, "t", 1, ReportKind.STARTED))] == [
            RefusalReason.STALE
        ]


def test_work_that_overruns_its_limit_fails_from_our_side(world: World) -> None:
    world.rules = type(world.rules)(run_limit_grace_micros=0)
    world.flusher, world.writer = world.new_flusher("coordinator-1")
    world.connect("a")
    world.submit("t", run_limit_micros=1, retry=RetryPolicy(attempts_max=1))
    world.run("a", "t")
    world.wake("t")
    task = world.task("t")
    assert (task.state, task.failure_reason) == (TaskState.FAILED, FailureReason.TIMEOUT)


def test_queue_limits_are_the_defaults_of_its_tasks(world: World) -> None:
    world.do(ChangeQueue((NAMESPACE, "q"), policy=QueuePolicy(queue_limit_micros=5, run_limit_micros=7)))
    world.submit("t1", queue="q")
    world.submit("t2", queue="q", queue_limit_micros=50, run_limit_micros=70)
    assert (world.task("t1").queue_limit_micros, world.task("t1").run_limit_micros) == (5, 7)
    assert (world.task("t2").queue_limit_micros, world.task("t2").run_limit_micros) == (50, 70)


def test_a_writer_that_lost_its_term_cannot_commit(world: World) -> None:
    """S18: another process of the same id ends the one before; on SQLite any other does."""
    name = "coordinator-2" if world.engine.dialect.name == "sqlite" else "coordinator-1"
    second = world.new_flusher(name)
    with pytest.raises(TermLost):
        world.submit("t1")
    third = world.new_flusher(name)
    world.flusher, world.writer = second
    with pytest.raises(TermLost):
        world.submit("t2")
    world.flusher, world.writer = third
    world.submit("t3")
    assert world.task("t3").state is TaskState.PENDING
    with pytest.raises(KeyError):
        world.task("t1")


def test_a_flush_that_breaks_leaves_nothing_behind(world: World) -> None:
    """S9: neither rows, nor events, nor a memory of requirements that were never written."""
    wanted = Requirements(capabilities=("rare",))
    broken = new_task("t1", requirements=wanted, labels={"a": object()})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        world.flush(CreateTasks([broken]))
    world.submit("t2", requirements=wanted)
    world.connect("a", capabilities=("rare",))
    world.flusher, world.writer = world.new_flusher("coordinator-1")
    assert world.grant("t2", "a") is PlacementOutcome.GRANTED


def test_more_rows_than_a_statement_takes_are_all_written(world: World) -> None:
    world.connect("a", slots=1000)
    world.flush(CreateTasks([new_task(f"t{number:03}", kind=KIND) for number in range(301)]))
    for number in range(301):
        assert world.grant(f"t{number:03}", "a") is PlacementOutcome.GRANTED
    assert world.agent("a").leases == 301
