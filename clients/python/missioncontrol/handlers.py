"""Handlers: plain functions, and what their signatures say about how to call them.

A handler takes at most one input, typed by its annotation, and, anywhere, a `TaskContext`. Nothing here runs anything.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, get_type_hints

from missioncontrol.context import TaskContext
from missioncontrol.payload import decode_payload
from missioncontrol.v1 import agent_service_pb2 as pb

RunsIn = Literal["loop", "thread"]


class Role(Enum):
    """What a parameter of a handler is for."""

    INPUT = "input"
    CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class Handler:
    """A function and how it is called. `is_async` functions run on the main loop; others where `runs_in` says."""

    kind: str
    function: Callable[..., Any]
    is_async: bool
    runs_in: RunsIn
    input_type: Any
    """The input's annotation; None if there is none, which takes what the content type says."""
    takes_input: bool
    call: Callable[[Any, TaskContext], Any]
    """Calls the function with an input and a context, as its signature wants them."""

    def decode(self, lease: pb.Lease) -> Any:
        """The input of the lease as this handler's type. Raises PayloadError if it does not fit."""
        return decode_payload(lease.spec.payload, self.input_type) if self.takes_input else None


def make_handler(
    kind: str,
    function: Callable[..., Any],
    *,
    runs_in: RunsIn | None = None,
    names: Mapping[str, Any] | None = None,
) -> Handler:
    """Reads the function's signature. `names` helps to resolve annotations that are strings.

    `runs_in`: where a sync function runs. "thread", the default, may block; "loop" is called directly on the main
    loop, which is several times cheaper and only for what returns at once. TypeError if the signature cannot be served.
    """
    is_async = _is_async(function)
    if is_async and runs_in == "thread":
        raise TypeError(f"the handler of {kind!r} is async: it runs on the loop, not in a thread")
    annotations = _annotations(function, names or {})
    roles = _roles(kind, function, annotations)
    input_name = next((name for name, role in roles.items() if role is Role.INPUT), None)
    return Handler(
        kind=kind,
        function=function,
        is_async=is_async,
        runs_in="loop" if is_async else runs_in or "thread",
        input_type=annotations.get(input_name) if input_name else None,
        takes_input=input_name is not None,
        call=_caller(function, roles),
    )


def caller_names(depth: int) -> dict[str, Any]:
    """The local names of the caller so many frames up: annotations of functions defined inside functions refer to
    them.
    """
    return dict(sys._getframe(depth + 1).f_locals)


def _is_async(function: Callable[..., Any]) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004 -- the method itself is wanted: objects may have an async one
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _annotations(function: Callable[..., Any], names: Mapping[str, Any]) -> dict[str, Any]:
    described: Any = function if inspect.isroutine(function) else type(function).__call__
    try:
        return get_type_hints(described, localns=dict(names), include_extras=True)
    except NameError as error:
        raise TypeError(f"an annotation of {function!r} cannot be resolved: {error}") from error


def _roles(kind: str, function: Callable[..., Any], annotations: Mapping[str, Any]) -> dict[str, Role]:
    roles: dict[str, Role] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(
                f"the handler of {kind!r} takes *{name}; a handler takes one input and a TaskContext, no more"
            )
        annotation = annotations.get(name)
        if annotation is TaskContext or (annotation is None and name in ("ctx", "context")):
            role = Role.CONTEXT
        else:
            role = Role.INPUT
        if role in roles.values():
            if parameter.default is not parameter.empty:
                continue
            raise TypeError(f"the handler of {kind!r} takes {name} besides another {role.value}; one is all there is")
        roles[name] = role
    return roles


def _caller(function: Callable[..., Any], roles: Mapping[str, Role]) -> Callable[[Any, TaskContext], Any]:
    parameters = inspect.signature(function).parameters
    positional = [name for name in roles if parameters[name].kind is not inspect.Parameter.KEYWORD_ONLY]
    if len(positional) < len(roles):
        return lambda value, context: function(
            **{name: value if role is Role.INPUT else context for name, role in roles.items()}
        )
    match tuple(roles.values()):
        case ():
            return lambda _value, _context: function()
        case (Role.INPUT,):
            return lambda value, _context: function(value)
        case (Role.CONTEXT,):
            return lambda _value, context: function(context)
        case (Role.CONTEXT, Role.INPUT):
            return lambda value, context: function(context, value)
        case _:
            return function
