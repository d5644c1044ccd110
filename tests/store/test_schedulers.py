"""The row that names the active scheduler."""

from __future__ import annotations

import threading

from services.domain.scheduler_choice import Active
from services.store.schedulers import choose, read_active
from tests.store.world import World


def test_in_a_new_database_none_was_chosen(world: World) -> None:
    with world.engine.connect() as connection:
        assert read_active(connection) == Active(0, "")


def test_a_choice_raises_the_term(world: World) -> None:
    with world.engine.connect() as connection:
        assert choose(connection, "a:1", seen=0)
        assert choose(connection, "b:1", seen=1)
    with world.engine.connect() as connection:
        assert read_active(connection) == Active(2, "b:1")


def test_a_choice_on_an_old_term_changes_nothing(world: World) -> None:
    with world.engine.connect() as connection:
        assert choose(connection, "a:1", seen=0)
        assert not choose(connection, "b:1", seen=0)
        assert read_active(connection) == Active(1, "a:1")


def test_of_those_that_choose_at_the_same_time_one_wins(world: World) -> None:
    won, start = list[str](), threading.Barrier(4)

    def compete(address: str) -> None:
        with world.engine.connect() as connection:
            start.wait()
            if choose(connection, address, seen=0):
                won.append(address)

    threads = [threading.Thread(target=compete, args=(f"s{number}:1",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with world.engine.connect() as connection:
        assert [Active(1, address) for address in won] == [read_active(connection)]
