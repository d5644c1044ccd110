"""The services that a coordinator offers, made of its parts."""

from __future__ import annotations

from missioncontrol.v1.agent_service_pb2_grpc import add_AgentServiceServicer_to_server
from missioncontrol.v1.queue_service_pb2_grpc import add_QueueServiceServicer_to_server
from missioncontrol.v1.routing_service_pb2_grpc import add_RoutingServiceServicer_to_server
from missioncontrol.v1.schedule_service_pb2_grpc import add_ScheduleServiceServicer_to_server
from missioncontrol.v1.task_service_pb2_grpc import add_TaskServiceServicer_to_server

from services.coordinator.agent_service import AgentService
from services.coordinator.event_service import EventService, add_event_service
from services.coordinator.parts import Parts
from services.coordinator.queue_service import QueueService
from services.coordinator.routing_service import RoutingService
from services.coordinator.schedule_service import ScheduleService
from services.coordinator.task_service import TaskService
from services.transport.server import RpcServer


def add_services(server: RpcServer, parts: Parts) -> None:
    """Makes all services of the coordinator, and has the server offer them."""
    journal, readers, membership = parts.storage.journal, parts.storage.readers, parts.storage.membership
    link = parts.link
    tasks = TaskService(
        journal,
        readers,
        parts.watchers,
        parts.relay,
        link.standing,
        parts.waits,
        membership,
        on_refused=parts.metrics.refused,
    )
    agents = AgentService(journal, readers, parts.connections, parts.exchanges, link.agents, parts.queues)
    server.add(add_TaskServiceServicer_to_server, tasks)
    server.add(add_QueueServiceServicer_to_server, QueueService(journal, readers, membership, parts.backpressure))
    server.add(add_AgentServiceServicer_to_server, agents)
    server.add(add_ScheduleServiceServicer_to_server, ScheduleService(journal, readers, membership))
    server.add(add_event_service, EventService(parts.feed, readers))
    server.add(add_RoutingServiceServicer_to_server, RoutingService(readers, link.talk, parts.waits))
