"""Waiting for room in a queue that takes no more just now, for as long as the caller is willing to."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

from missioncontrol import limits
from missioncontrol.errors import QueueRefused

# Seconds or a timedelta; None: not at all.
WaitForRoom = float | timedelta | None


class Room:
    """The patience of one submit, counted from now on."""

    def __init__(self, wait_for_room: WaitForRoom) -> None:
        seconds = wait_for_room.total_seconds() if isinstance(wait_for_room, timedelta) else wait_for_room or 0.0
        self._deadline = time.monotonic() + seconds

    async def wait(self, refused: QueueRefused) -> bool:
        """Waits as long as the queue asks to, at most until the patience ends. False, at once, if it has ended."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        asked = refused.retry_seconds if refused.retry_seconds is not None else limits.ROOM_SECONDS
        await asyncio.sleep(min(asked, left))
        return True
