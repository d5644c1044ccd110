"""When a failed attempt is tried again, and how long to wait until then."""

from __future__ import annotations

import hashlib

import msgspec

from services.domain.failure import Failure, FailureReason

MICROS = 1_000_000


class RetryPolicy(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """As in the contract: zero means the default. Seconds are floats."""

    attempts_max: int = 3
    initial_backoff_seconds: float = 1.0
    backoff_multiplier: float = 2.0
    backoff_seconds_max: float = 300.0
    retry_reasons: tuple[int, ...] = ()
    no_retry_codes: tuple[str, ...] = ()
    redeliveries_max: int = 3


DEFAULT_RETRY = RetryPolicy()
# A wait is shortened by up to this share, so that tasks that failed together do not come back together.
JITTER = 0.1


def allows_retry(policy: RetryPolicy, failure: Failure, *, failures: int) -> bool:
    """Whether another attempt follows, after `failures` failed ones, this one included."""
    if failure.permanent or failures >= policy.attempts_max or failure.code in policy.no_retry_codes:
        return False
    if policy.retry_reasons:
        return failure.reason in policy.retry_reasons
    return failure.reason != FailureReason.INVALID_INPUT


def backoff_micros(policy: RetryPolicy, task_id: str, *, failures: int) -> int:
    """The wait before the next attempt, microseconds.

    Exponential and bounded, with a jitter that follows from the task's id.
    """
    exponent = min(max(failures - 1, 0), 64)
    seconds = policy.initial_backoff_seconds * policy.backoff_multiplier**exponent
    seconds = min(seconds, policy.backoff_seconds_max)
    return int(seconds * (1.0 - JITTER * spread(f"{task_id}/{failures}")) * MICROS)


def spread(key: str) -> float:
    """A number in [0, 1) that is always the same for a key."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "big") / 2**32
