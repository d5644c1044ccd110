"""A whole fleet on one machine: coordinators, schedulers, event gateways and agents, each a process of its own.

Used by `missionctl up`, by `make demo`, by the benchmarks and by the end-to-end tests, so that all of them run the same
processes in the same way. It starts and stops; what the fleet does, and judging it, is elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from missioncontrol.v1 import agent_pb2, agent_service_pb2, agent_service_pb2_grpc

from services.fleet.process import (
    START_SECONDS_MAX,
    DeadlineError,
    Listening,
    ManagedProcess,
    ProcessSpec,
)

COORDINATOR, SCHEDULER, GATEWAY = "coordinator", "scheduler", "event-gateway"
# How often the list of agents is asked for while the launcher waits for them.
AGENT_POLL_SECONDS = 0.05
# An agent lets its work go on for so long after SIGTERM; what still runs then is stopped and returned.
AGENT_DRAIN = "5s"
AGENT_STOP_SECONDS = 20.0
ANY_PORT = "127.0.0.1:0"
PORT_STEP = 100
_PREFIX = "MISSIONCONTROL_"
# The setting of the port that others dial.
_LISTEN = {
    COORDINATOR: f"{_PREFIX}COORDINATOR_LISTEN",
    SCHEDULER: f"{_PREFIX}SCHEDULER_LISTEN",
    GATEWAY: f"{_PREFIX}EVENT_GATEWAY_LISTEN",
}


@dataclass(frozen=True)
class AgentPlan:
    """One agent process. With `arguments`, that Python program is run in place of the SDK's `missionctl agent run`.

    With `program`, that executable is run, which finds its settings in the environment. `transport`:
    "stream" or "poll".
    """

    id: str
    slots: int = 2
    queue_limit: int = 2
    capabilities: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    program: str = ""
    transport: str = "stream"


# The fleet of `make up` and `make demo`: three nodes, one of which can do more than the others.
THREE_AGENTS = (
    AgentPlan("agent-1", slots=2, capabilities=("python",), labels={"zone": "a"}),
    AgentPlan("agent-2", slots=2, labels={"zone": "a"}),
    AgentPlan("agent-3", slots=2, labels={"zone": "b"}),
)


@dataclass(frozen=True)
class FleetPlan:
    """What to start, and where its files go. Port 0 is any free port; a restarted service takes the same one again.

    An empty `gateway_listen` leaves the event gateways out. Several coordinators need a PostgreSQL in `database_url`.
    The second of a kind is called "coordinator-2", and so on; its ports are a hundred further.
    """

    folder: Path
    agents: tuple[AgentPlan, ...] = THREE_AGENTS
    database_url: str = ""
    coordinators: int = 1
    gateways: int = 1
    lease_ttl_seconds: float = 30.0
    coordinator_listen: str = ANY_PORT
    scheduler_listen: str = ANY_PORT
    schedulers: int = 1
    gateway_listen: str = ANY_PORT
    gateway_grpc_listen: str = ANY_PORT
    metrics_listen: Mapping[str, str] = field(default_factory=dict)
    log_level: str = "info"
    environment: Mapping[str, str] = field(default_factory=dict)


class Fleet:
    """The processes of one plan. As an asynchronous context manager: ready inside, gone afterwards."""

    def __init__(self, plan: FleetPlan) -> None:
        self.plan = plan
        self.log_folder = plan.folder / "logs"
        self.services: dict[str, ManagedProcess] = {}
        self.listening: dict[str, Listening] = {}
        self.agents: dict[str, ManagedProcess] = {}

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            self.kill()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.stop()
        finally:
            self.kill()

    @property
    def address(self) -> str:
        """Where the first coordinator listens."""
        return self.listening[COORDINATOR].address

    @property
    def addresses(self) -> str:
        """Where clients and agents dial: all coordinators, separated by commas."""
        return ",".join(self.listening[name].address for name in names_of(COORDINATOR, self.plan.coordinators))

    @property
    def gateway_url(self) -> str:
        """Where browsers and pipelines read the feed."""
        return f"http://{self.listening[GATEWAY].address}"

    @property
    def scheduler_names(self) -> list[str]:
        """The schedulers, in the order in which coordinators prefer them."""
        return names_of(SCHEDULER, self.plan.schedulers)

    @property
    def processes(self) -> list[ManagedProcess]:
        """Everything, in the order of starting."""
        return [*self.services.values(), *self.agents.values()]

    async def start(self) -> None:
        """Starts everything, each once what it dials listens; returns when every agent of the plan is READY."""
        self.log_folder.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(self.scheduler_names, 1):
            self._launch(name, {"SCHEDULER_LISTEN": further(self.plan.scheduler_listen, number)})
        found = [await self._found(name) for name in self.scheduler_names]
        coordinators = names_of(COORDINATOR, self.plan.coordinators)
        for number, name in enumerate(coordinators, 1):
            self._launch_coordinator(number, name, ",".join(each.address for each in found))
        for name in coordinators:
            await self._found(name)
        gateways = names_of(GATEWAY, self.plan.gateways if self.plan.gateway_listen else 0)
        for number, name in enumerate(gateways, 1):
            self._launch(
                name,
                {
                    "EVENT_GATEWAY_LISTEN": further(self.plan.gateway_listen, number),
                    "EVENT_GATEWAY_GRPC_LISTEN": further(self.plan.gateway_grpc_listen, number),
                    "COORDINATORS": self.addresses,
                },
            )
        for agent in self.plan.agents:
            self.start_agent(agent)
        for name in gateways:
            await self._found(name)
        await self.wait_agents_ready({agent.id for agent in self.plan.agents})

    def _launch_coordinator(self, number: int, name: str, scheduler: str) -> None:
        database = self.plan.database_url or f"sqlite:///{self.plan.folder.absolute() / 'missioncontrol.db'}"
        self._launch(
            name,
            {
                "COORDINATOR_ID": f"coordinator-{number}",
                "COORDINATOR_LISTEN": further(self.plan.coordinator_listen, number),
                "SCHEDULER": scheduler,
                "DATABASE_URL": database,
                "LEASE_TTL_SECONDS": f"{self.plan.lease_ttl_seconds:g}",
            },
        )

    def start_agent(self, plan: AgentPlan, *, address: str = "", name: str = "") -> ManagedProcess:
        """Starts one agent, of this plan or a further one; does not wait for it.

        `address` puts a proxy in between; `name` tells two processes with one agent id apart.
        """
        spec = ProcessSpec(
            name or plan.id,
            plan.arguments if plan.arguments or plan.program else _agent_arguments(plan),
            self._environment({"ADDRESS": address or self.addresses, **_agent_settings(plan)}),
            program=plan.program or sys.executable,
        )
        process = ManagedProcess(spec, log_folder=self.log_folder)
        self.agents[spec.name] = process
        process.start()
        return process

    async def wait_agents_ready(self, wanted: Iterable[str], timeout_seconds: float = START_SECONDS_MAX) -> None:
        """Returns when the coordinator lists every one of these as READY. One that ends first is an error."""
        deadline, awaited = time.monotonic() + timeout_seconds, set(wanted)
        async with grpc.aio.insecure_channel(self.address) as channel:
            agents = agent_service_pb2_grpc.AgentServiceStub(channel)
            while missing := awaited - await _ready_agents(agents):
                for agent in missing & self.agents.keys():
                    self.agents[agent].assert_running()
                if time.monotonic() > deadline:
                    raise DeadlineError(f"waited {timeout_seconds:g} s for agents to connect: {sorted(missing)}")
                await asyncio.sleep(AGENT_POLL_SECONDS)

    async def restart(self, name: str) -> None:
        """Starts a process that is not running; a service takes the port that it had, and listens on return."""
        process = self.services.get(name) or self.agents[name]
        process.start()
        if name in self.services:
            await process.wait_listening()

    async def stop(self) -> None:
        """SIGTERM in order, each group only when the one before is gone: agents, gateway, schedulers, coordinator."""
        await asyncio.gather(*(agent.stop(AGENT_STOP_SECONDS) for agent in self.agents.values()))
        for kind in (GATEWAY, SCHEDULER, COORDINATOR):
            await asyncio.gather(*(each.stop() for name, each in self.services.items() if kind_of(name) == kind))

    def kill(self) -> None:
        """SIGKILL for whatever is still there."""
        for process in self.processes:
            process.kill()

    def _launch(self, name: str, settings: Mapping[str, str]) -> None:
        """Starts a service; `_found` waits for it."""
        address_file = self.plan.folder.absolute() / f"{name}.address"
        own = {
            **settings,
            "ADDRESS_FILE": str(address_file),
            "METRICS_LISTEN": further(self.plan.metrics_listen.get(kind_of(name), ANY_PORT), number_of(name)),
            "LOG_LEVEL": self.plan.log_level,
        }
        module = f"services.{kind_of(name).replace('-', '_')}"
        spec = ProcessSpec(name, ("-m", module), self._environment(own), address_file)
        process = ManagedProcess(spec, log_folder=self.log_folder)
        self.services[name] = process
        process.start()

    async def _found(self, name: str) -> Listening:
        """Where the service listens, once it does; from now on it is started again on these ports."""
        process = self.services[name]
        listening = await process.wait_listening()
        self.listening[name] = listening
        process.spec = _pinned(process.spec, listening)
        return listening

    def _environment(self, own: Mapping[str, str]) -> dict[str, str]:
        """The launcher's environment without its Mission Control settings, which are not meant for this fleet."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(_PREFIX)}
        settings = {f"{_PREFIX}{key}": value for key, value in own.items()}
        return {**inherited, "PYTHONUNBUFFERED": "1", **settings, **self.plan.environment}


def names_of(kind: str, count: int) -> list[str]:
    """What so many services of a kind are called."""
    return [kind if number == 1 else f"{kind}-{number}" for number in range(1, count + 1)]


def kind_of(name: str) -> str:
    """The kind of a service, by its name."""
    head, _, tail = name.rpartition("-")
    return head if tail.isdigit() else name


def number_of(name: str) -> int:
    """Which of its kind a service is, from 1 on."""
    tail = name.rpartition("-")[2]
    return int(tail) if tail.isdigit() else 1


def further(listen: str, number: int) -> str:
    """Where the service of this number listens: a hundred ports further than the one before; port 0 stays."""
    host, _, port = listen.rpartition(":")
    if number == 1 or int(port) == 0:
        return listen
    return f"{host}:{int(port) + PORT_STEP * (number - 1)}"


def _pinned(spec: ProcessSpec, listening: Listening) -> ProcessSpec:
    """The same service on the ports that it has now, so that those who dial it find it again after a restart."""
    pinned = {
        _LISTEN[kind_of(spec.name)]: listening.address,
        f"{_PREFIX}METRICS_LISTEN": listening.metrics_address,
    }
    return replace(spec, environment={**spec.environment, **pinned})


def _agent_settings(plan: AgentPlan) -> dict[str, str]:
    """What an agent is, for programs that take it from the environment."""
    return {
        "AGENT_ID": plan.id,
        "AGENT_SLOTS": str(plan.slots),
        "AGENT_CAPABILITIES": ",".join(plan.capabilities),
        "AGENT_TRANSPORT": plan.transport,
    }


def _agent_arguments(plan: AgentPlan) -> tuple[str, ...]:
    arguments = ["-m", "missioncontrol.cli", "agent", "run", "--id", plan.id, "--slots", str(plan.slots)]
    arguments += ["--queue-limit", str(plan.queue_limit), "--drain-time-limit", AGENT_DRAIN]
    for capability in plan.capabilities:
        arguments += ["--capability", capability]
    for key, value in plan.labels.items():
        arguments += ["--label", f"{key}={value}"]
    for resource, amount in plan.resources.items():
        arguments += ["--resource", f"{resource}={amount:g}"]
    return tuple(arguments)


async def _ready_agents(agents: agent_service_pb2_grpc.AgentServiceAsyncStub) -> set[str]:
    request = agent_service_pb2.ListAgentsRequest(states=[agent_pb2.AGENT_STATE_READY], page_size=1000)
    try:
        answer = await agents.ListAgents(request, timeout=5)
    except grpc.aio.AioRpcError as error:
        if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            return set()
        raise
    return {agent.id for agent in answer.agents}
