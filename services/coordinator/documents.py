"""Documents of tasks that will soon be leased, in memory; what is no longer there is read from the database."""

from __future__ import annotations

from collections import OrderedDict

from services.coordinator.limits import DOCUMENTS_BYTES_MAX
from services.store.flush import Committed


class Documents:
    """A bounded memory of submitted documents, by task id. Listens to the journal."""

    def __init__(self, bytes_max: int = DOCUMENTS_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._documents: OrderedDict[str, bytes] = OrderedDict()

    def on_committed(self, committed: Committed) -> None:
        """Keeps what was submitted; forgets the oldest beyond the bound."""
        for new in committed.created.values():
            if committed.tasks[new.id].held:
                continue  # its lease is made from the commit itself
            self._documents[new.id] = new.document
            self._bytes += weight(new.document)
        while self._bytes > self._bytes_max:
            self._bytes -= weight(self._documents.popitem(last=False)[1])

    def take(self, task_id: str) -> bytes | None:
        """The document, if it is here; a task is rarely leased twice, so it is forgotten."""
        document = self._documents.pop(task_id, None)
        if document is not None:
            self._bytes -= weight(document)
        return document


def weight(document: bytes) -> int:
    """Memory that an entry takes, bytes: the document, its key and its place."""
    return len(document) + 400
