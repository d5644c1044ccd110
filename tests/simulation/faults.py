"""What goes wrong in a run, chosen by its seed: a handful of faults, one after the other or on top of each other."""

from __future__ import annotations

from typing import Any

from services.domain.agent import Agent, DrainMode
from services.domain.commands import AgentAction, ApplyReports, ChangeQueue, Refusal, Report, ReportKind
from services.domain.failure import Failure
from services.domain.task import Task
from tests.simulation.agent import Process
from tests.simulation.books import promise
from tests.simulation.journal import failed
from tests.simulation.world import NAMESPACE, QUEUES, TTL_SECONDS, World

FAULT_SECONDS = 12.0


class Faults:
    """Plans them, and undoes what does not end by itself."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clock = world.clock
        choose = self._clock.random
        faults = [
            self.kill_agent,
            self.freeze_agent,
            self.freeze_agent,
            self.twin,
            self.leave,
            self.cut,
            self.cut,
            self.cut,
            self.mute,
            self.slow_link,
            self.cut_scheduler,
            self.kill_scheduler,
            self.split_brain,
            self.restart_coordinator,
            self.fail_disk,
            self.lose_answer,
            self.slow_disk,
            self.drain,
            self.cordon,
            self.uncordon,
            self.resume,
            self.pause,
            self.cancel,
            self.cancel,
            self.old_session,
            self.other_outcome,
            self.older_token,
        ]
        for _ in range(choose.randint(5, 15)):
            self._clock.at(choose.uniform(0.5, FAULT_SECONDS), self._happen, choose.choice(faults).__name__)
        self._clock.at(FAULT_SECONDS, world.heal)

    def _happen(self, name: str) -> None:
        if not self._world.healed:
            self._clock.note("fault", name)
            getattr(self, name)()

    def _process(self) -> Process | None:
        alive = [process for process in self._world.alive if process.alive]
        return self._clock.random.choice(alive) if alive else None

    def kill_agent(self) -> None:
        if (process := self._process()) is not None:
            process.kill()

    def freeze_agent(self) -> None:
        if (process := self._process()) is not None:
            process.freeze(self._clock.random.choice((0.5, 2.0, TTL_SECONDS + 1.0, TTL_SECONDS * 2)))

    def twin(self) -> None:
        self._world.start_agent(self._clock.random.choice(self._world.hellos).agent_id)

    def leave(self) -> None:
        if (process := self._process()) is not None:
            process.leave()

    def cut(self) -> None:
        if (process := self._process()) is not None and process.stream is not None:
            process.disturbed()
            process.stream.cut()

    def mute(self) -> None:
        if (process := self._process()) is not None and process.stream is not None:
            process.disturbed()
            process.stream.mute()

    def slow_link(self) -> None:
        self._world.bad_link_until = self._clock.now + self._clock.random.uniform(0.5, 5.0)

    def cut_scheduler(self) -> None:
        for link in self._world.links:
            link.cut()

    def kill_scheduler(self) -> None:
        scheduler = self._clock.random.choice(self._world.schedulers)
        scheduler.kill()
        self._clock.later(self._clock.random.uniform(0.1, 4.0), scheduler.start)

    def split_brain(self) -> None:
        self._world.split_brain(self._clock.random.uniform(0.5, 6.0))

    def restart_coordinator(self) -> None:
        self._world.restart_coordinator(self._clock.random.choice((0.1, 1.0, 4.0, TTL_SECONDS + 2.0)))

    def fail_disk(self) -> None:
        self._world.disk.failing = True
        self._clock.later(self._clock.random.choice((0.1, 1.0, 5.0)), self._mend_disk)

    def slow_disk(self) -> None:
        self._world.disk.seconds = self._clock.random.choice((0.05, 0.3, 1.0))
        self._clock.later(self._clock.random.uniform(0.5, 4.0), self._mend_disk)

    def _mend_disk(self) -> None:
        self._world.disk.failing, self._world.disk.seconds = False, 0.001

    def lose_answer(self) -> None:
        self._world.disk.silent = True

    def drain(self) -> None:
        mode = self._clock.random.choice((DrainMode.FINISH, DrainMode.RETURN))
        self._change_agent(AgentAction.DRAIN, mode)

    def cordon(self) -> None:
        self._change_agent(AgentAction.CORDON)

    def uncordon(self) -> None:
        self._change_agent(AgentAction.UNCORDON)

    def resume(self) -> None:
        self._change_agent(AgentAction.RESUME)

    def _change_agent(self, action: AgentAction, mode: DrainMode = DrainMode.NONE) -> None:
        self._world.change_agent(self._clock.random.choice(self._world.hellos).agent_id, action, mode)

    def pause(self) -> None:
        queue = (NAMESPACE, self._clock.random.choice(QUEUES))
        self._world.submit(ChangeQueue(queue, paused=True))
        resume = ChangeQueue(queue, paused=False)
        self._clock.later(self._clock.random.uniform(0.5, 5.0), self._world.submit, resume)

    def cancel(self) -> None:
        self._world.cancel_one()

    # Reports that come late, or from somebody who should know better: zombies that were stopped at the wrong moment.

    def old_session(self) -> None:
        """What an agent says on an earlier stream does not count, although the lease is its own."""
        held = [task for task in self._world.tables.tasks.values() if task.held and task.agent_id in self._agents()]
        if held:
            task = self._clock.random.choice(held)
            agent = self._agents()[task.agent_id]
            self._say(agent, agent.session - 1, task, task.token, self._refused_whole)

    def other_outcome(self) -> None:
        """An attempt that has ended does not end otherwise."""
        attempts = [attempt for attempt in self._world.tables.attempts.values() if attempt.digest]
        if attempts:
            attempt = self._clock.random.choice(attempts)
            agent = self._agents()[attempt.agent_id]
            self._say(agent, agent.session, self._world.tables.tasks[attempt.task_id], attempt.token, self._refused)

    def older_token(self) -> None:
        """An earlier lease of the task that the same agent has again."""
        held = [task for task in self._world.tables.tasks.values() if task.held and task.token > 1]
        if held:
            task = self._clock.random.choice(held)
            agent = self._agents()[task.agent_id]
            self._say(agent, agent.session, task, task.token - 1, self._refused)

    def _agents(self) -> dict[str, Agent]:
        return {agent.id: agent for agent in self._world.tables.agents.values()}

    def _say(self, agent: Agent, session: int, task: Task, token: int, then: Any) -> None:
        report = Report(1, task.id, token, ReportKind.FAILED, digest="zombie", failure=Failure(1, "late"))
        self._world.submit(ApplyReports(agent.key, agent.incarnation, session, [report]), then)

    def _refused_whole(self, answer: Any) -> None:
        promise(failed(answer), "S4", "a report on an earlier stream was taken:", answer)

    def _refused(self, answer: Any) -> None:
        refused = failed(answer) or [type(each) for each in answer] == [Refusal]
        promise(refused, "S4, S5", "a report of an attempt that is over was taken")
