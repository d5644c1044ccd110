"""What the tests of the coordinator's parts may use."""

from __future__ import annotations

from tests.store.queries.conftest import store

__all__ = ["store"]
