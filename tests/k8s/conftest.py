"""A cluster of the test's own, on addresses that no other test uses."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.fleet.postgres import PostgresServer
from tests.conftest import running_postgres_process
from tests.k8s.cluster import Cluster, Secrets
from tests.k8s.rendering import Combination, render

MakeCluster = Callable[..., Cluster]
_NUMBERS = itertools.count(1)


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[MakeCluster]:
    """Makes clusters of a combination; nothing in them runs yet, and nothing afterwards."""
    made: list[Cluster] = []

    def make(combination: Combination, *, secrets: Secrets | None = None) -> Cluster:
        # Ports are fixed, so each test has a network of its own, by the process that runs it and a count.
        network = f"127.{1 + os.getpid() % 250}.{1 + (os.getpid() // 250 + 101 * next(_NUMBERS)) % 250}"
        cluster = Cluster(render(combination), tmp_path, network, secrets or {})
        made.append(cluster)
        return cluster

    yield make
    for cluster in made:
        cluster.kill()


@pytest.fixture
def empty_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the test's own, with nothing in it."""
    with running_postgres_process() as server:
        yield server
