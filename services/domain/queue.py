"""Queues and their policies. A queue that nobody configured has the default policy and version 0."""

from __future__ import annotations

import msgspec

from services.domain.policy import AdmissionState, QueuePolicy

QueueKey = tuple[str, str]  # (namespace, name)


class Queue(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One queue, as configured. `admission` is how it treats new tasks now."""

    namespace: str
    name: str
    policy: QueuePolicy = QueuePolicy()
    paused: bool = False
    version: int = 0
    update_time: int = 0
    admission: AdmissionState = AdmissionState.NORMAL

    @property
    def key(self) -> QueueKey:
        """Namespace and name."""
        return (self.namespace, self.name)

    @property
    def grants(self) -> bool:
        """Whether its tasks may be leased."""
        return not self.paused and self.policy.admission.state is not AdmissionState.PAUSE
