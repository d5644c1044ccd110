"""What is written down of a simulated fleet: the tasks of a stretch of arrivals, and how busy the slots were meanwhile.

Tasks go on arriving until the last measured one has ended, so that none of these has it easier than the others.
"""

from __future__ import annotations

from array import array

NOT_MEASURED = -1


class Measure:
    """The `tasks` arrivals after the first `skip`, in the order of their arrival; times in units of the simulation.

    `cold` is 1 for a task that started on an agent that was not warm for it. `busy` is the mean number of busy slots
    from the first to the last measured arrival, `leases_max` the most leases that an agent ever held.
    """

    def __init__(self, *, skip: int, tasks: int) -> None:
        self.waits = array("d", bytes(8 * tasks))
        self.times = array("d", bytes(8 * tasks))
        self.groups = array("b", bytes(tasks))
        self.cold = array("b", bytes(tasks))
        self.busy = 0.0
        self.leases_max = 0
        self._tasks = tasks
        self._next = -skip
        self._unended = tasks
        self._slots_busy = 0
        self._slot_time = 0.0
        self._changed_time = 0.0
        self._begin_time = 0.0

    @property
    def complete(self) -> bool:
        """Whether all measured tasks have ended."""
        return not self._unended

    def arrived(self, group: int, now: float) -> int:
        """A task arrives; its number for what is told of it later, or NOT_MEASURED."""
        number = self._next
        self._next += 1
        if not 0 <= number < self._tasks:
            return NOT_MEASURED
        self.groups[number] = group
        if number == 0:
            self._slot_time, self._changed_time, self._begin_time = 0.0, now, now
        elif number == self._tasks - 1:
            self.slots(0, now)
            self.busy = self._slot_time / (now - self._begin_time)
        return number

    def started(self, number: int, *, wait: float, cold: bool) -> None:
        """A measured task is in a slot."""
        self.waits[number] = wait
        self.cold[number] = cold

    def ended(self, number: int, *, time: float) -> None:
        """A measured task has ended."""
        self.times[number] = time
        self._unended -= 1

    def slots(self, change: int, now: float) -> None:
        """So many more slots are busy."""
        self._slot_time += self._slots_busy * (now - self._changed_time)
        self._changed_time = now
        self._slots_busy += change
