"""`missionctl health`: asks processes whether they serve, by gRPC's health protocol, as a container's probe does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import grpc
import grpc.aio
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from missioncontrol.channel import DEFAULT_ADDRESS, open_channel, parse_addresses
from missioncontrol.cli import exit_codes
from missioncontrol.cli.failures import RefusedInputError, reported
from missioncontrol.cli.printer import OutputFormat, Printer
from missioncontrol.cli.session import Address, Output, Timeout

# A probe has to be done before the next one starts.
TIMEOUT_SECONDS = 3.0

_EXIT_CODES = {
    "SERVING": exit_codes.OK,
    "NOT_SERVING": exit_codes.FAILED,
    "SERVICE_UNKNOWN": exit_codes.NOT_FOUND,
}


def health(
    *,
    service: Annotated[
        str, typer.Option(help="What is asked about: a gRPC service, readiness or liveness; else the process.")
    ] = "",
    address: Address = DEFAULT_ADDRESS,
    output: Output = OutputFormat.TABLE,
    timeout: Timeout = TIMEOUT_SECONDS,
) -> None:
    """Asks processes whether they serve: coordinators, schedulers, and event gateways (at their gRPC address).

    Exit code 0: each of them does; 1: one does not; 3: one does not know the service; 5: one has not answered.
    """
    with reported():
        addresses = _parsed(address)
        statuses = asyncio.run(_ask_all(addresses, service, timeout))
        found = dict(zip(addresses, statuses, strict=True))
        Printer(output).table(("ADDRESS", "STATUS"), list(found.items()), value={"health": found})
    raise typer.Exit(max(_EXIT_CODES.get(status, exit_codes.UNREACHABLE) for status in statuses))


def _parsed(address: str) -> tuple[str, ...]:
    try:
        return parse_addresses(address)
    except ValueError as error:
        raise RefusedInputError(f"--address: {error}") from None


async def _ask_all(addresses: Sequence[str], service: str, timeout_seconds: float) -> list[str]:
    return await asyncio.gather(*(_ask(each, service, timeout_seconds) for each in addresses))


async def _ask(address: str, service: str, timeout_seconds: float) -> str:
    """The status as the protocol names it, or the gRPC code of a call that failed."""
    async with open_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout_seconds)
        except grpc.aio.AioRpcError as error:
            return "SERVICE_UNKNOWN" if error.code() is grpc.StatusCode.NOT_FOUND else error.code().name
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
