"""Several schedulers, of which one is active: when a coordinator looks for another one, and which may take its place.

Which one is active stands in a row of the database, with a term that rises with each choice. Schedulers know nothing of
each other. That two are taken for the active one for a moment costs the quality of placements, and nothing else: the
transactions judge every one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

# A scheduler whose stream broke, or could not be opened, for so long is replaced, if another one answers: so that a
# connection that broke alone moves nobody. Tasks should be placed again within 3 s; the rest of them is for the probe,
# the row and the snapshot.
ABSENCE_SECONDS = 1.0

# One whose stream stands, but that has said nothing for so long, is taken for stopped. It is asked every half second
# and answers between two decisions, which take some 100 ms when it is busy. Measured on two cores, the half second
# included: up to 0.6 s while it places 600,000 tasks, 0.85 s while it takes in their snapshot.
SILENCE_SECONDS = 1.5

# A coordinator chooses at most once in this time. It doubles while its choices do not hold: two coordinators that reach
# different schedulers would move everybody to and fro.
PAUSE_SECONDS_MIN = 3.0
PAUSE_SECONDS_MAX = 60.0


class Active(msgspec.Struct, frozen=True):
    """The scheduler that the row names. Term 0: none was ever chosen."""

    term: int = 0
    address: str = ""


class Choice:
    """What one coordinator knows of the schedulers in its list. Times are seconds of its monotonic clock."""

    def __init__(self, addresses: Sequence[str], *, now: float) -> None:
        self.addresses = tuple(dict.fromkeys(addresses))
        self.target = Active(0, self.addresses[0])
        self._row = Active()
        self._up = False
        self.good_time = now  # when all was well for the last time, or the target was given its chance
        self._chosen = float("-inf")
        self._pause = PAUSE_SECONDS_MIN

    @property
    def has_standby(self) -> bool:
        """Whether there is anything to choose."""
        return len(self.addresses) > 1

    @property
    def candidates(self) -> tuple[str, ...]:
        """Those that may take the place of the one in the row, the best first."""
        return tuple(address for address in self.addresses if address != self._row.address)

    def see(self, row: Active, *, now: float) -> bool:
        """Notes what the row says. True if the stream has to move."""
        self._row = row
        address = row.address if row.address in self.addresses else self.target.address
        moved = address != self.target.address
        self.target = Active(row.term, address)
        if moved:
            self._up, self.good_time = False, now
        return moved

    def heard(self, *, now: float) -> None:
        """Notes that the target said something."""
        self._up, self.good_time = True, now

    def lost(self, *, now: float) -> None:
        """Notes that there is no stream. How long the target had been silent before counts, if that was long."""
        if self._up and not self.silent(now=now):
            self.good_time = now
        self._up = False

    def slept(self, *, now: float) -> None:
        """Notes that this coordinator was stopped itself: what it did not hear in the meantime says nothing."""
        self.good_time = now

    def silent(self, *, now: float) -> bool:
        """Whether nothing was heard for so long that the target seems to be stopped."""
        return now - self.good_time >= SILENCE_SECONDS

    def due_time(self) -> float:
        """When another scheduler should be looked for, if nothing is heard until then."""
        if self._row.address not in self.addresses:
            needed = self.good_time
        else:
            needed = self.good_time + (SILENCE_SECONDS if self._up else ABSENCE_SECONDS)
        return max(needed, self._chosen + self._pause)

    def chose(self, *, now: float) -> None:
        """Notes that this coordinator has put another one into the row. The first of all replaces nobody."""
        if self._row.term == 0:
            return
        held = now - self._chosen >= 2 * self._pause
        self._pause = PAUSE_SECONDS_MIN if held else min(2 * self._pause, PAUSE_SECONDS_MAX)
        self._chosen = now
