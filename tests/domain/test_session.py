"""The coordinator's half of a session: what heartbeats renew, and what runs out."""

from __future__ import annotations

import pytest

from services.domain.errors import VersionMismatch
from services.domain.session import Session, intervals_for, negotiate

LEASE = ("t", 1)
OTHER = ("u", 1)


def session(*, ttl: float = 30.0) -> Session:
    return Session(("default", "a"), 1, intervals_for(ttl), now=0.0)


def test_a_lease_lives_from_its_grant_for_its_time_to_live() -> None:
    one = session()
    one.grant(LEASE, 10.0, now=5.0)
    assert one.tick(14.9).expired == []
    assert one.tick(15.0).expired == [LEASE]


def test_a_heartbeat_renews_what_it_names() -> None:
    one = session()
    one.grant(LEASE, 10.0, now=0.0)
    one.heartbeat({LEASE}, now=8.0)
    assert one.tick(17.9).expired == []
    assert one.tick(18.0).expired == [LEASE]


def test_a_heartbeat_without_the_set_renews_the_set_before() -> None:
    one = session()
    one.grant(LEASE, 10.0, now=0.0)
    one.heartbeat({LEASE}, now=4.0)
    one.heartbeat(None, now=12.0)
    assert one.tick(21.0).expired == []


def test_what_a_heartbeat_leaves_out_is_not_renewed() -> None:
    """A grant that was committed and never delivered must not be renewed for ever."""
    one = session()
    one.grant(LEASE, 10.0, now=0.0)
    one.grant(OTHER, 10.0, now=0.0)
    for now in range(1, 12):
        one.heartbeat({OTHER}, now=float(now))
    assert one.tick(11.0).expired == [LEASE]


def test_a_lease_that_a_heartbeat_stops_naming_lives_from_the_last_that_did() -> None:
    one = session()
    one.grant(LEASE, 10.0, now=0.0)
    one.heartbeat({LEASE}, now=5.0)
    one.heartbeat(set(), now=9.0)
    one.heartbeat(set(), now=13.0)
    assert one.tick(14.9).expired == []
    assert one.tick(15.0).expired == [LEASE]


def test_each_lease_has_its_own_time_to_live() -> None:
    one = session()
    one.grant(LEASE, 2.0, now=0.0)
    one.grant(OTHER, 60.0, now=0.0)
    assert one.tick(3.0).expired == [LEASE]
    one.end(LEASE)
    assert one.tick(3.0).expired == []
    assert one.expires_in(3.0) == pytest.approx(57.0)


def test_a_batch_that_is_not_confirmed_was_not_delivered() -> None:
    one = session()
    one.grant(LEASE, 30.0, now=0.0)
    one.grant(OTHER, 30.0, now=0.0)
    one.sent(1, [LEASE], now=0.0)
    one.sent(2, [OTHER], now=0.0)
    one.confirm(1)
    assert one.tick(11.9).undelivered == []
    assert one.tick(12.0).undelivered == [OTHER]


def test_what_a_heartbeat_names_was_delivered_whatever_became_of_the_receipt() -> None:
    one = session()
    one.grant(LEASE, 30.0, now=0.0)
    one.sent(1, [LEASE], now=0.0)
    one.heartbeat({LEASE}, now=5.0)
    assert one.tick(12.0).undelivered == []


def test_what_was_once_delivered_runs_out_and_its_batch_is_forgotten_without_a_receipt() -> None:
    one = session()
    one.grant(LEASE, 30.0, now=0.0)
    one.sent(1, [LEASE], now=0.0)
    one.heartbeat({LEASE}, now=5.0)
    one.tick(12.0)
    one.heartbeat(frozenset(), now=13.0)
    assert one.tick(34.9).undelivered == one.tick(34.9).expired == []
    assert one.tick(35.0).expired == [LEASE]


def test_a_stream_without_heartbeats_goes_silent() -> None:
    one = session()
    assert not one.tick(16.9).silent
    assert one.tick(17.0).silent
    one.heartbeat(None, now=17.0)
    assert not one.tick(18.0).silent


def test_leases_of_hello_are_named_from_the_start() -> None:
    one = session()
    one.keep([(LEASE, 10.0)], now=0.0)
    one.heartbeat(None, now=9.0)
    assert one.tick(12.0).expired == []


def test_progress_is_taken_once_a_second_per_lease() -> None:
    one = session()
    one.grant(LEASE, 30.0, now=0.0)
    one.grant(OTHER, 30.0, now=0.0)
    taken = [one.takes_progress(LEASE, now=now) for now in (0.0, 0.5, 1.0, 1.4, 2.0)]
    assert taken == [True, False, True, False, True]
    assert one.takes_progress(OTHER, now=0.5)


def test_progress_of_what_is_not_held_is_left_to_the_journal_and_not_remembered() -> None:
    one = session()
    assert [one.takes_progress(LEASE, now=0.0) for _ in range(2)] == [True, True]
    one.grant(LEASE, 30.0, now=0.0)
    one.takes_progress(LEASE, now=0.0)
    one.end(LEASE)
    assert one.takes_progress(LEASE, now=0.5)


@pytest.mark.parametrize(("ttl", "heartbeat"), [(30.0, 5.0), (6.0, 1.0), (300.0, 5.0)])
def test_at_least_six_heartbeats_fit_into_a_time_to_live(ttl: float, heartbeat: float) -> None:
    times = intervals_for(ttl)
    assert times.heartbeat == heartbeat
    assert times.heartbeat * 6 <= ttl
    assert times.echo_timeout + times.heartbeat < ttl


def test_the_newest_version_that_both_speak_is_taken() -> None:
    assert negotiate(1, 7) == 1
    with pytest.raises(VersionMismatch):
        negotiate(2, 7)
