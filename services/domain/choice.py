"""Which of the agents that may take a task gets it.

What the task requires was judged before (`needs.py`), and what is kept for others is left out. Then come what suits
best, tier by tier, and within a tier the queue's strategy. Agents with too few resources left are met once, and are
left out from then on.
"""

from __future__ import annotations

from services.domain.capacity import LEVELS, LEVELS_MAX, AgentRecord, Capacity
from services.domain.needs import Needs
from services.domain.policy import Strategy
from services.domain.turns import QueueGate

# Draws of a random agent before the next one in order is taken instead.
DRAWS_MAX = 32


class Chooser:
    """Chooses agents. The randomness of TWO_CHOICES is of its seed alone, so that the same input gives the same."""

    def __init__(self, capacity: Capacity, *, seed: int = 0) -> None:
        self._capacity = capacity
        self._state = seed

    def choose(self, needs: Needs, *, within: int = -1) -> AgentRecord | None:
        """Return the agent for the next task, of those `within`; None if there is none now."""
        candidates = needs.free(self._capacity) & within
        if not candidates:
            return None
        if not needs.tiers:
            return self._by_strategy(needs, candidates)
        for tier in needs.tiers:
            record = self._by_strategy(needs, candidates & tier)
            if record is not None:
                return record
        return None

    def _by_strategy(self, needs: Needs, candidates: int) -> AgentRecord | None:
        while candidates:
            record = self._next(needs, candidates)
            missing = record.short_of(needs.resources) if needs.resources else None
            if missing is None:
                needs.below = needs.gate.below = record.below
                return record
            needs.close_to(record, missing)
            candidates ^= record.bit
        return None

    def _next(self, needs: Needs, candidates: int) -> AgentRecord:
        """Whom the strategy names, resources apart."""
        strategy = needs.strategy
        if strategy is Strategy.CENTRAL_QUEUE:
            return self._least_loaded(candidates, LEVELS, needs.below)
        if strategy is Strategy.SHORTEST_QUEUE:
            return self._least_loaded(candidates, LEVELS_MAX, needs.gate.below)
        if strategy is Strategy.ROUND_ROBIN:
            return self._next_in_turn(needs, candidates)
        return self._better_of_two(candidates)

    def _least_loaded(self, candidates: int, levels: int, below: int) -> AgentRecord:
        """The least loaded relative to its slots. Among equals they go round: the one that was used longest ago."""
        bands = self._capacity.bands
        for level in bands[:levels]:
            found = level & candidates
            if found:
                return self._capacity.record_at(((found & below) or found).bit_length() - 1)
        raise AssertionError("a candidate has room, and so is in one of the levels")

    def _next_in_turn(self, needs: Needs, candidates: int) -> AgentRecord:
        """The next one in order, whatever its load. With weights, an agent is in as many rounds as it weighs."""
        gate = needs.gate
        if gate.below == -1:
            self._resume(gate, needs.eligible)
        turn = candidates & gate.below & self._in_round(needs, gate.round)
        if not turn:
            gate.round += 1
            turn = candidates & self._in_round(needs, gate.round)
            if not turn:
                gate.round = 1
                turn = candidates
        return self._capacity.record_at(turn.bit_length() - 1)

    def _resume(self, gate: QueueGate, eligible: int) -> None:
        """Go on behind the agent that was granted something last: another scheduler was at work before."""
        last = max(self._capacity.records_of(eligible), key=lambda record: record.agent.last_grant_time)
        if last.agent.last_grant_time:
            gate.below = last.below

    def _in_round(self, needs: Needs, number: int) -> int:
        if number == 1:
            return -1
        bits = 0
        for weight, agents in needs.heavy.items():
            if weight >= number:
                bits |= agents
        return bits

    def _better_of_two(self, candidates: int) -> AgentRecord:
        """The one with the fewer leases in relation to its slots, of two at random."""
        first = self._at_random(candidates)
        rest = candidates ^ first.bit
        if not rest:
            return first
        second = self._at_random(rest)
        return second if second.used * first.agent.slots < first.used * second.agent.slots else first

    def _at_random(self, candidates: int) -> AgentRecord:
        size = candidates.bit_length()
        for _ in range(DRAWS_MAX):
            index = self._draw(size)
            if candidates >> index & 1:
                return self._capacity.record_at(index)
        # Few of many: the next one below a random place.
        bits = candidates & ((1 << self._draw(size) + 1) - 1)
        return self._capacity.record_at((bits or candidates).bit_length() - 1)

    def _draw(self, size: int) -> int:
        """A number below `size`, from the upper bits of a linear congruential generator (D. Knuth's MMIX)."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (self._state >> 32) * size >> 32
