from __future__ import annotations

import hashlib
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from missioncontrol.v1 import agent_pb2, agent_service_pb2, event_pb2, event_service_pb2, task_pb2, task_service_pb2

from services.domain.agent import Agent, AgentState, Declaration, DrainMode
from services.domain.commands import OUTCOMES, ReportKind
from services.domain.errors import InvalidArgument
from services.domain.event import Event, EventData, EventType, Stuck
from services.domain.failure import Attempt, AttemptOutcome, Failure, FailureReason, Progress
from services.domain.ledger import Granted
from services.domain.requirements import LabelSelector, SelectorOperator, WaitReason
from services.domain.retry import DEFAULT_RETRY, RetryPolicy
from services.domain.task import Task, TaskState
from services.transport import convert_agent, convert_event, convert_lease, convert_task, convert_time
from services.transport.convert_event import CAUGHT_UP, encoded_events

NOON = 1_700_000_000_123_456


def submit(request_id: str = "", **spec: Any) -> task_service_pb2.CreateTaskRequest:
    return task_service_pb2.CreateTaskRequest(spec=task_pb2.TaskSpec(**{"kind": "noop", **spec}), request_id=request_id)


def row(state: TaskState = TaskState.PENDING, **fields: Any) -> Task:
    defaults: dict[str, Any] = {
        "id": "task-1",
        "namespace": "default",
        "queue": "default",
        "kind": "noop",
        "priority": 0,
        "needs_id": "needs",
        "affinity_key": "",
        "version": 1,
        "create_time": NOON,
    }
    return Task(state=state, **{**defaults, **fields})


# Instants and durations.


def test_instants_keep_their_microseconds() -> None:
    assert convert_time.instant_micros(convert_time.timestamp(NOON), field="f") == NOON


def test_durations_are_rounded_up() -> None:
    assert convert_time.duration_micros(Duration(nanos=1), field="f") == 1
    assert convert_time.duration_micros(Duration(seconds=2, nanos=1_001), field="f") == 2_000_002
    assert convert_time.duration_micros(convert_time.duration(5_000_001), field="f") == 5_000_001


@pytest.mark.parametrize("wrong", [Duration(seconds=1, nanos=-1), Duration(seconds=-1, nanos=1), Duration(nanos=10**9)])
def test_what_is_no_duration_is_refused_with_its_field(wrong: Duration) -> None:
    for read in (convert_time.duration_micros, convert_time.seconds_of):
        with pytest.raises(InvalidArgument, match=r"^spec\.run_time_limit: nanos") as caught:
            read(wrong, field="spec.run_time_limit")
        assert caught.value.fields[0][0] == "spec.run_time_limit"


@pytest.mark.parametrize(("seconds", "nanos"), [(-1, 0), (2**62, 0), (0, -1), (0, 10**9)])
def test_what_is_no_instant_is_refused_with_its_field(seconds: int, nanos: int) -> None:
    with pytest.raises(InvalidArgument) as caught:
        convert_time.instant_micros(Timestamp(seconds=seconds, nanos=nanos), field="when")

    assert caught.value.fields[0][0] == "when"


# Submits.


def test_a_submit_gets_an_id_and_the_defaults() -> None:
    new = convert_task.new_task(submit("key"))

    assert (new.namespace, new.queue, new.request_id) == ("default", "default", "key")
    assert (new.retry, new.labels, new.not_before_time) == (None, {}, 0)
    assert len(new.id) == 36
    assert convert_task.spec_of(new.document).queue == "default"


def test_ids_rise() -> None:
    ids = [convert_task.new_task(submit()).id for _ in range(1_000)]

    assert ids == sorted(set(ids))


def test_the_same_body_has_the_same_digest_and_another_one_another() -> None:
    labels = {str(number): "x" for number in range(20)}
    backwards = dict(reversed(labels.items()))

    assert convert_task.new_task(submit(labels=labels)).digest == convert_task.new_task(submit(labels=backwards)).digest
    assert convert_task.new_task(submit(namespace="default")).digest == convert_task.new_task(submit()).digest
    assert convert_task.new_task(submit(priority=1)).digest != convert_task.new_task(submit()).digest


def test_a_retry_has_another_digest_than_what_it_retries() -> None:
    old = convert_task.new_task(submit("key"))
    request = task_service_pb2.RetryTaskRequest(request_id="key")
    new, spec = convert_task.retry_task(old.document, request, of=old.id)

    assert (new.retry_of, new.document) == (old.id, old.document)
    assert new.digest != old.digest
    assert spec.kind == "noop"


def test_requirements_are_read_with_the_name_of_the_set() -> None:
    needs = task_pb2.Requirements(
        capabilities=["x"],
        selectors=[task_pb2.LabelSelector(key="k", operator=task_pb2.SELECTOR_OPERATOR_IN, values=["a", "b"])],
        resources={"gpu": 1.0, "none": 0.0},
    )

    first, again = (convert_task.new_task(submit(requirements=needs)) for _ in range(2))
    other = convert_task.new_task(submit(kind="other", requirements=needs))

    assert first.requirements.capabilities == ("x",)
    assert first.requirements.selectors == (LabelSelector("k", SelectorOperator.IN, ("a", "b")),)
    assert first.requirements.resources == {"gpu": 1.0}
    assert again.requirements is first.requirements
    assert again.needs_id == first.needs_id != other.needs_id


def test_a_selector_whose_values_do_not_fit_is_refused_with_its_path() -> None:
    bad = task_pb2.LabelSelector(key="k", operator=task_pb2.SELECTOR_OPERATOR_EXISTS, values=["a"])

    for _ in range(2):  # a refusal is not remembered as an answer
        with pytest.raises(InvalidArgument) as caught:
            convert_task.new_task(submit(requirements=task_pb2.Requirements(selectors=[bad])))
        assert caught.value.fields[0][0] == "spec.requirements.selectors[0].values"


def test_a_retry_policy_gets_its_defaults() -> None:
    default = convert_task.new_task(submit(retry_policy=task_pb2.RetryPolicy()))
    set_to_nothing = convert_task.new_task(
        submit(retry_policy={"initial_backoff": {}, "attempts_max": 1, "retry_reasons": [2], "no_retry_codes": ["X"]})
    )

    assert default.retry == DEFAULT_RETRY
    assert set_to_nothing.retry == RetryPolicy(
        attempts_max=1, initial_backoff_seconds=0.0, retry_reasons=(2,), no_retry_codes=("X",)
    )


# Tasks.


def test_a_task_shows_its_agent_only_while_that_holds_it_or_if_it_ended_it() -> None:
    spec = task_pb2.TaskSpec()
    ended = Attempt(
        task_id="task-1",
        token=1,
        agent_id="a",
        incarnation="i",
        grant_time=1,
        start_time=2,
        end_time=9,
        outcome=AttemptOutcome.SUCCEEDED,
    )
    held = convert_task.task(row(TaskState.LEASED, agent_id="a", token=1, grant_time=1), spec=spec)
    waits = convert_task.task(row(TaskState.PENDING, agent_id="a", token=1), spec=spec, attempt=ended)
    over = convert_task.task(row(TaskState.SUCCEEDED, agent_id="a", token=1, end_time=9), spec=spec, attempt=ended)
    later = convert_task.task(row(TaskState.CANCELLED, agent_id="a", token=1, end_time=10), spec=spec, attempt=ended)

    assert [task.agent_id for task in (held, waits, over, later)] == ["a", "", "a", ""]


def test_an_expired_task_says_why() -> None:
    task = convert_task.task(
        row(TaskState.EXPIRED, end_time=NOON, queue_limit_micros=1_500_000), spec=task_pb2.TaskSpec()
    )

    assert task.failure.reason == task_pb2.FAILURE_REASON_QUEUE_TIMEOUT
    assert task.failure.message == "not started within 1.5 s"


def test_a_scheduled_task_says_when_it_becomes_ready_and_no_other_does() -> None:
    spec = task_pb2.TaskSpec()

    assert convert_task.task(row(TaskState.SCHEDULED, wake_time=NOON), spec=spec).schedule_time.seconds == NOON // 10**6
    assert not convert_task.task(row(TaskState.PENDING, wake_time=NOON), spec=spec).HasField("schedule_time")


def test_progress_without_a_fraction_stays_without() -> None:
    unknown = convert_task.progress(task_pb2.Progress(message="m"))

    assert unknown == Progress(None, "m")
    assert not convert_task.progress_message(unknown).HasField("fraction")
    assert convert_task.progress(convert_task.progress_message(Progress(0.0, ""))) == Progress(0.0, "")


def test_a_failure_without_a_reason_is_an_error() -> None:
    assert convert_task.failure(task_pb2.Failure(code="X")) == Failure(FailureReason.ERROR, "", "X")


# Leases and reports.


def lease_report(**event: Any) -> agent_service_pb2.Report:
    return agent_service_pb2.Report(number=3, task_id="t", token=2, **event)


@pytest.mark.parametrize("kind", list(ReportKind))
def test_every_report_is_read_and_every_outcome_has_a_digest(kind: ReportKind) -> None:
    message = lease_report()
    getattr(message, kind.name.lower()).SetInParent()

    report = convert_lease.report(message)

    assert (report.number, report.task_id, report.token, report.kind) == (3, "t", 2, kind)
    assert bool(report.digest) == (kind in OUTCOMES)


def test_an_outcome_carries_its_documents_and_its_digest_names_them_all() -> None:
    output, usage = task_pb2.Payload(data=b"out"), task_pb2.Usage(input_tokens=1)
    failed = agent_service_pb2.Failed(failure=task_pb2.Failure(code="X"), output=output, usage=usage)

    report = convert_lease.report(lease_report(failed=failed))
    other = convert_lease.report(
        lease_report(failed=agent_service_pb2.Failed(failure=task_pb2.Failure(code="X"), output=output))
    )

    assert (report.document, report.usage) == (output.SerializeToString(), usage.SerializeToString())
    assert report.failure == Failure(FailureReason.ERROR, "", "X")
    assert report.digest != other.digest
    assert len(report.digest) == 16


def test_outcomes_with_the_same_content_are_not_the_same_outcome() -> None:
    returned = convert_lease.report(lease_report(returned=agent_service_pb2.Returned(message="m")))
    rejected = convert_lease.report(lease_report(rejected=agent_service_pb2.Rejected(message="m")))

    assert returned.message == rejected.message == "m"
    assert returned.digest != rejected.digest


def test_a_lease_carries_the_document_the_checkpoint_and_the_times() -> None:
    spec = task_pb2.TaskSpec(kind="noop", payload=task_pb2.Payload(data=b"\0in"))
    checkpoint = task_pb2.Payload(data=b"half")
    task = row(TaskState.LEASED, token=2, failures=1, grant_time=NOON + 1, run_limit_micros=1_500_000)
    granted = Granted(task, session=1, ttl_micros=5_000_000)
    batch = agent_service_pb2.LeaseBatch()

    alone = convert_lease.lease(granted, document=spec.SerializeToString(), checkpoint=checkpoint.SerializeToString())
    convert_lease.lease(
        granted,
        document=spec.SerializeToString(),
        checkpoint=checkpoint.SerializeToString(),
        make=batch.leases.add,
    )

    assert batch.leases[0] == alone
    assert (alone.spec, alone.checkpoint) == (spec, checkpoint)
    assert (alone.token, alone.failures, alone.ttl.seconds) == (2, 1, 5)
    assert alone.run_time_limit.nanos == 500_000_000
    assert convert_time.instant_micros(alone.grant_time, field="") == NOON + 1


# Agents.


def test_hello_becomes_an_admission_request() -> None:
    message = agent_service_pb2.Hello(
        agent_id="a",
        incarnation="0190ABCD-0000-7000-8000-000000000000",
        labels={"k": "v"},
        kinds=["noop"],
        slots=3,
        resources={"gpu": 1.0},
        held=[agent_service_pb2.LeaseReference(task_id="t", token=4)],
    )

    command = convert_agent.hello(message, coordinator_id="c")

    assert command.agent == ("default", "a")
    assert command.incarnation == "0190abcd-0000-7000-8000-000000000000"
    assert command.held == [("t", 4)]
    assert command.declared == Declaration(labels={"k": "v"}, kinds=("noop",), slots=3, resources={"gpu": 1.0})


def test_an_agent_shows_what_it_holds() -> None:
    value = Agent(
        namespace="default",
        id="a",
        incarnation="i",
        session=2,
        coordinator_id="c",
        state=AgentState.DRAINING,
        cordoned=True,
        drain_mode=DrainMode.FINISH,
        drain_time=0,
        connect_time=NOON,
        seen_time=NOON,
        expire_time=0,
        leases=5,
        started=2,
        resources_used={"gpu": 1.0},
        superseded=(),
        declared=Declaration(slots=3, queue_limit=4, kinds=("noop",)),
    )

    message = convert_agent.agent(value, heartbeat_time=NOON + 7)

    assert (message.slots_used, message.queue_depth, message.state) == (2, 3, agent_pb2.AGENT_STATE_DRAINING)
    assert convert_time.instant_micros(message.heartbeat_time, field="") == NOON + 7
    assert message.resources_used == {"gpu": 1.0}


# Events.


def test_an_event_with_everything_keeps_everything() -> None:
    data = EventData(
        version=2,
        from_state=4,
        to_state=1,
        token=3,
        failures=1,
        redeliveries=1,
        outcome=2,
        schedule_time=NOON + 5,
        agent_state=3,
        priority=-4,
        kind="noop",
        retry_of="old",
        message="why",
        failure=Failure(FailureReason.TIMEOUT, "late", "X", True),
        progress=Progress(0.5, "half"),
        blockers=2,
        schedule="nightly",
        stuck=Stuck("noop", 5, "needs", WaitReason.SLOTS, True, "full"),
    )
    message = convert_event.event(9, Event(EventType.TASK_RETRYING, NOON, "ns", "q", "t", "a", data))

    assert message == event_pb2.Event(
        sequence=9,
        type=event_pb2.EVENT_TYPE_TASK_RETRYING,
        time=convert_time.timestamp(NOON),
        namespace="ns",
        task_id="t",
        queue="q",
        kind="noop",
        priority=-4,
        agent_id="a",
        token=3,
        from_state=task_pb2.TASK_STATE_RUNNING,
        to_state=task_pb2.TASK_STATE_SCHEDULED,
        version=2,
        outcome=task_pb2.ATTEMPT_OUTCOME_FAILED,
        failure=task_pb2.Failure(reason=task_pb2.FAILURE_REASON_TIMEOUT, message="late", code="X", permanent=True),
        progress=task_pb2.Progress(fraction=0.5, message="half"),
        failures=1,
        redeliveries=1,
        schedule_time=convert_time.timestamp(NOON + 5),
        agent_state=agent_pb2.AGENT_STATE_DISCONNECTED,
        retry_of="old",
        message="why",
        group=event_pb2.StuckGroup(kind="noop", priority=5, needs_id="needs"),
        waiting=task_pb2.Waiting(reason=task_pb2.WAIT_REASON_SLOTS, never=True, message="full"),
        schedule="nightly",
        blockers=2,
    )
    assert {field.name for field, _ in message.ListFields()} == {f.name for f in event_pb2.Event.DESCRIPTOR.fields}


@pytest.mark.parametrize("sequence", [1, 127, 128, 16_383, 16_384, 2**21, 2**40])
@pytest.mark.parametrize(
    "value",
    [
        Event(EventType.TASK_CREATED, NOON, "ns", "q", "t", "", EventData(1, 0, 2, priority=-7, kind="noop")),
        Event(EventType.TASK_LEASED, NOON, "ns", "q", "t" * 36, "a", EventData(2, 2, 3, 1)),
        Event(EventType.TASK_RETRYING, NOON, "ns", "q", "t", "a", EventData(schedule_time=NOON)),
        Event(EventType.TASK_FAILED, NOON, "ns", "q", "t", "a", EventData(failure=Failure(1, "x" * 8192))),
        Event(EventType.TASK_PROGRESSED, NOON, "ns", "q", "t", "a", EventData(progress=Progress(0.0, ""))),
        Event(EventType.TASK_CANCELLED, 0, "n" * 63, "q" * 128, "t" * 64, "a" * 128, EventData(message="why")),
        Event(EventType.TASK_CREATED, 0, "n" * 63, "q" * 128, "t" * 64, "a" * 128, EventData(kind="k" * 128)),
        Event(EventType.TASK_CREATED, 0, "ns", "q", "ü" * 100, "", EventData()),
        Event(EventType.AGENT_DISCONNECTED, NOON, "ns", "", "", "a", EventData(version=7, agent_state=3)),
        Event(EventType.QUEUE_PAUSED, NOON, "ns", "q", "", "", EventData(version=1)),
    ],
)
def test_an_event_encoded_in_parts_is_the_same_event(sequence: int, value: Event) -> None:
    message = event_service_pb2.WatchEventsResponse.FromString(encoded_events([(sequence, value)] * 2, "e:1"))

    assert list(message.events) == [convert_event.event(sequence, value)] * 2
    assert message.position == "e:1"


def test_joined_chunks_are_one_message_with_the_last_position() -> None:
    value = Event(EventType.TASK_CREATED, NOON, "ns", "q", "t", "", EventData())
    chunks = [encoded_events([(n, value), (n + 1, value)], f"e:{n + 1}") for n in (1, 3)]

    message = event_service_pb2.WatchEventsResponse.FromString(b"".join(chunks) + CAUGHT_UP)

    assert [event.sequence for event in message.events] == [1, 2, 3, 4]
    assert (message.position, message.caught_up) == ("e:4", True)


# The numbers of the domain's enums are those of the wire.


@pytest.mark.parametrize(
    ("enum", "wire", "prefix"),
    [
        (TaskState, task_pb2.TaskState, "TASK_STATE_"),
        (AttemptOutcome, task_pb2.AttemptOutcome, "ATTEMPT_OUTCOME_"),
        (FailureReason, task_pb2.FailureReason, "FAILURE_REASON_"),
        (SelectorOperator, task_pb2.SelectorOperator, "SELECTOR_OPERATOR_"),
        (AgentState, agent_pb2.AgentState, "AGENT_STATE_"),
        (EventType, event_pb2.EventType, "EVENT_TYPE_"),
    ],
)
def test_the_domain_and_the_wire_number_alike(enum: Any, wire: Any, prefix: str) -> None:
    names = {member.name: int(member) for member in enum}
    names.setdefault("UNSPECIFIED", 0)

    assert {prefix + name: number for name, number in names.items()} == dict(wire.items())


def test_digests_are_stable_over_versions() -> None:
    """They are stored: another way to make them would refuse what agents and clients send again."""
    document = convert_task.new_task(submit()).document
    digest = hashlib.blake2b(document, digest_size=16).hexdigest()

    assert convert_task.new_task(submit()).digest == digest
    succeeded = convert_lease.report(lease_report(succeeded=agent_service_pb2.Succeeded()))
    assert succeeded.digest == hashlib.blake2b(b"", digest_size=8, person=b"succeeded").hexdigest()
