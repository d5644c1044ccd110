"""What an agent says that it is warm for: what it declares, what it has run, the newest first."""

from __future__ import annotations

from missioncontrol.agent_limits import WARM_KEYS_MAX
from missioncontrol.session import AgentSession
from missioncontrol.session_effects import Offer
from missioncontrol.session_warm_keys import WarmKeys
from missioncontrol.v1 import agent_service_pb2 as pb

from tests.clients.session.session_world import hello, lease, leases, welcome


def keyed(task_id: str, affinity_key: str) -> pb.Lease:
    made = lease(task_id)
    made.spec.affinity_key = affinity_key
    return made


def connected(*declared: str) -> AgentSession:
    said = hello()
    said.warm_keys.extend(declared)
    session = AgentSession(said)
    session.connect(0.0)
    session.receive(welcome(), 0.0)
    return session


def started(session: AgentSession, *several: pb.Lease) -> None:
    session.receive(leases(*several), 0.0)
    for effect in session.take_effects(0.0):
        assert isinstance(effect, Offer)
        for each in effect.leases:
            session.claimed((each.task_id, each.token), 0.0)


def told(session: AgentSession) -> list[str]:
    """What the next Hello would say."""
    return list(session.connect(1.0).hello.warm_keys)


def test_hello_names_what_was_declared_in_its_order() -> None:
    assert told(connected("b", "a")) == ["b", "a"]


def test_what_runs_comes_first_and_what_has_run_before_what_was_declared() -> None:
    session = connected("repo-1")
    started(session, keyed("x", "repo-2"))
    session.ended(("x", 1), pb.Succeeded(), 0.0)
    started(session, keyed("y", "repo-3"))
    assert told(session) == ["repo-3", "repo-2", "repo-1"]


def test_work_with_a_declared_key_makes_it_the_newest_and_names_it_once() -> None:
    session = connected("repo-1", "repo-2")
    started(session, keyed("x", "repo-2"))
    session.ended(("x", 1), pb.Succeeded(), 0.0)
    assert told(session) == ["repo-2", "repo-1"]


def test_failed_work_was_run_too() -> None:
    session = connected()
    started(session, keyed("x", "repo-1"))
    session.ended(("x", 1), pb.Failed(), 0.0)
    assert told(session) == ["repo-1"]


def test_a_lease_that_never_started_and_work_without_a_key_make_nothing_warm() -> None:
    session = connected()
    session.receive(leases(keyed("waits", "repo-1")), 0.0)
    session.take_effects(0.0)
    session.withdrawn(("waits", 1))
    started(session, lease("plain"))
    session.ended(("plain", 1), pb.Succeeded(), 0.0)
    assert told(session) == []


def test_only_so_many_are_remembered_the_newest() -> None:
    warm = WarmKeys(f"declared-{number}" for number in range(WARM_KEYS_MAX))
    for number in range(3):
        warm.used(f"used-{number}")
    keys = warm.newest_first(["runs"])
    assert len(keys) == WARM_KEYS_MAX
    assert keys[:5] == ["runs", "used-2", "used-1", "used-0", "declared-0"]
    assert len(warm.newest_first()) == WARM_KEYS_MAX
