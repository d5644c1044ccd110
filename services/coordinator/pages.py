"""Pages of lists: how many items, and how many bytes of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from google.protobuf.message import Message

from services.coordinator.limits import PAGE_BYTES_MAX, PAGE_SIZE_DEFAULT

Item = TypeVar("Item", bound=Message)


def size_of(asked: int) -> int:
    """How many items a page may have."""
    return asked or PAGE_SIZE_DEFAULT


def fitting(items: Iterable[Item]) -> list[Item]:
    """The first of the items, as many as one message may hold, at least one. The others are for the next page."""
    page: list[Item] = []
    size = 0
    for item in items:
        size += item.ByteSize()
        if page and size > PAGE_BYTES_MAX:
            break
        page.append(item)
    return page
