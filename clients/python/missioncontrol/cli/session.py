"""What every command that talks to a coordinator has in common: its options, its client, its printer, its errors.

`@connected` makes a command of an async function whose first parameter is a `Session`: it adds --output, --address,
--namespace and --timeout, opens the client, and turns errors into a line and an exit code. A parameter that is a
dataclass is a group of options, one for each field; `@grouped` is for commands that only have such groups.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Annotated, Any, Concatenate, ParamSpec, cast

import typer

from missioncontrol.channel import DEFAULT_ADDRESS, parse_addresses
from missioncontrol.cli.failures import RefusedInputError, reported
from missioncontrol.cli.printer import OutputFormat, Printer
from missioncontrol.client import Client

P = ParamSpec("P")
_KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY

# People wait for the answer: shorter than the SDK's own deadline.
TIMEOUT_SECONDS = 10.0

Output = Annotated[OutputFormat, typer.Option("--output", "-o", help="How to write results.", show_default=True)]
Address = Annotated[
    str,
    typer.Option(
        "--address",
        envvar="MISSIONCONTROL_ADDRESS",
        help="Where the coordinators are: host:port, several separated by commas, or a DNS name.",
    ),
]
Namespace = Annotated[str, typer.Option("--namespace", envvar="MISSIONCONTROL_NAMESPACE", help="The namespace.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds for each call, with its retries.")]

_SHARED: dict[str, tuple[Any, Any]] = {
    "output": (Output, OutputFormat.TABLE),
    "address": (Address, DEFAULT_ADDRESS),
    "namespace": (Namespace, "default"),
    "timeout": (Timeout, TIMEOUT_SECONDS),
}


@dataclass(frozen=True)
class Session:
    """The client and the printer of one command."""

    client: Client
    printer: Printer


def connected(function: Callable[Concatenate[Session, P], Awaitable[None]]) -> Callable[..., None]:
    """Makes a synchronous command with the shared options, for Typer."""

    def command(**values: Any) -> None:
        shared = {name: values.pop(name) for name in _SHARED}
        with reported():
            asyncio.run(_inside(function, shared, _gathered(values, groups)))

    own = _parameters(function)[1:]
    groups = _groups(own)
    shared = [
        inspect.Parameter(name, _KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _SHARED.items()
    ]
    return _with_parameters(command, [*_spread(own), *shared], like=function)


def grouped(function: Callable[P, None]) -> Callable[..., None]:
    """Makes a command of a function with groups of options, for Typer."""

    def command(**values: Any) -> None:
        function(**_gathered(values, groups))  # type: ignore[call-arg] # spread by the same table below

    own = _parameters(function)
    groups = _groups(own)
    return _with_parameters(command, _spread(own), like=function)


def _with_parameters(
    command: Callable[..., None], parameters: list[inspect.Parameter], *, like: Callable[..., Any]
) -> Callable[..., None]:
    """Gives the command what Typer reads: parameters, name, text."""
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # read by inspect.signature
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__doc__ = like.__doc__
    command.__name__ = getattr(like, "__name__", "command")
    return command


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function, eval_str=True).parameters.values())


def _spread(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """The parameters by name only, with each group replaced by its options, behind the others."""
    single = [each.replace(kind=_KEYWORD_ONLY) for each in parameters if not is_dataclass(each.annotation)]
    return single + [option for group in _groups(parameters).values() for option in _options(group).values()]


def _gathered(values: Mapping[str, Any], groups: Mapping[str, type[Any]]) -> dict[str, Any]:
    """The values with those of each group in an instance of it."""
    left = dict(values)
    made = {name: kind(**{option: left.pop(option) for option in _options(kind)}) for name, kind in groups.items()}
    return {**left, **made}


def _groups(parameters: list[inspect.Parameter]) -> dict[str, type[Any]]:
    return {each.name: cast(type[Any], each.annotation) for each in parameters if is_dataclass(each.annotation)}


def _options(group: type[Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(group, eval_str=True).parameters


async def _inside(function: Callable[..., Awaitable[None]], shared: dict[str, Any], values: dict[str, Any]) -> None:
    try:
        parse_addresses(shared["address"])
    except ValueError as error:
        raise RefusedInputError(f"--address: {error}") from None
    client = Client(shared["address"], namespace=shared["namespace"], call_seconds=shared["timeout"])
    async with client:
        await function(Session(client, Printer(shared["output"])), **values)
