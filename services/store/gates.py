"""The gates of a flush: what is known of the queues that may refuse its submits, with what is not written yet in it."""

from __future__ import annotations

from collections.abc import Sequence

from services.domain.depth import Buckets, Depths
from services.domain.gate import Gate, pending_changes
from services.domain.ledger import Ledger, Touches
from services.domain.policy import AdmissionState
from services.domain.queue import Queue, QueueKey
from services.store.row_reader import RowReader


class NotCounted(Exception):
    """A queue has to be counted, and what is being written now would be in the count or not, as it happens."""


class Gates:
    """See the module. `depths` and `buckets` are what was committed, for whoever looks after them.

    A depth that nobody has counted is counted where it is needed: then every limit holds from its first submit on.
    """

    def __init__(self, reader: RowReader) -> None:
        self.depths = Depths()
        self.buckets = Buckets()
        self._reader = reader

    def open(self, touches: Touches, ledger: Ledger, *, unwritten: Sequence[Ledger]) -> None:
        """Gives the ledger its gates, on top of flushes that are being written.

        Raises NotCounted if a queue has to be counted first, and there are any: to be tried again without them.
        """
        for key in touches.queues:
            queue = ledger.queues.get(key)
            if key in touches.gated or (queue is not None and not queue.policy.admission.is_open):
                pending = 0
                if key in touches.gated or (queue is not None and queue.policy.admission.counts):
                    pending = self._pending(key, unwritten)
                tokens = self._tokens(queue, ledger.now, unwritten) if queue is not None else 0.0
                ledger.gates[key] = Gate(pending=pending, tokens=tokens)

    def settle(self, ledger: Ledger, *, last: int) -> None:
        """A flush is written; its last event has this number."""
        if queues := self.depths.queues:
            self.depths.hear(pending_changes(ledger.events, queues), sequence=last)
            self.depths.note_moves(ledger.events)
        for key, gate in ledger.gates.items():
            if gate.taken:
                self.buckets.take(key, ledger.queue(key).policy.admission, taken=gate.taken, now=ledger.now)

    def _pending(self, key: QueueKey, unwritten: Sequence[Ledger]) -> int:
        pending = self.depths.of(key)
        if pending is None:
            if unwritten:
                raise NotCounted(key)
            count = self.depths.begin_count(key)
            pending, head = self._reader.pending(key)
            self.depths.counted(key, count, pending, head=head)
        return pending + sum(pending_changes(ledger.events, (key,)).get(key, 0) for ledger in unwritten)

    def _tokens(self, queue: Queue, now: int, unwritten: Sequence[Ledger]) -> float:
        policy = queue.policy.admission
        if not policy.submits_per_second:
            return 0.0
        taken = sum(ledger.gates[queue.key].taken for ledger in unwritten if queue.key in ledger.gates)
        return self.buckets.tokens(queue.key, policy, now=now) - taken


def may_refuse(ledger: Ledger, *, coming: int) -> bool:
    """Whether some of so many submits are likely to be refused."""
    return any(nearly_closed(ledger.queue(key), gate.pending + coming) for key, gate in ledger.gates.items())


def nearly_closed(queue: Queue, pending: int) -> bool:
    """Whether a queue does not take tasks as they come, or will not at this depth."""
    policy = queue.policy.admission
    limits = (policy.throttle_pending, policy.shed_pending, policy.pending_max)
    return queue.admission is not AdmissionState.NORMAL or any(limit and pending > limit for limit in limits)
