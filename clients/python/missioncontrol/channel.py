"""The way to the coordinators: addresses, and channels made from them.

An address is "host:port", where the host is an IP address or a DNS name (which may have several A records), or a gRPC
target with a scheme, such as "dns:///name:port". Several are separated by commas. The port may be left out: 7070.

Nothing here knows a service or a message.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence

import grpc.aio

from missioncontrol import limits
from missioncontrol.tls import trust_from

DEFAULT_ADDRESS = "127.0.0.1:7070"
DEFAULT_PORT = 7070

_ROUND_ROBIN: Mapping[str, object] = {"round_robin": {}}
# Resolvers put the addresses of a name in one order for everybody: without the shuffle all agents take the same.
_ANY_FIRST: Mapping[str, object] = {"pick_first": {"shuffleAddressList": True}}
# A stream of an agent is not retried below the agent: it must see the break, and choose another address itself.
_RETRIED_METHODS: Sequence[Mapping[str, str]] = (
    {"service": "missioncontrol.v1.TaskService"},
    {"service": "missioncontrol.v1.QueueService"},
    {"service": "missioncontrol.v1.ScheduleService"},
    {"service": "missioncontrol.v1.EventService"},
    *(
        {"service": "missioncontrol.v1.AgentService", "method": method}
        for method in ("ListAgents", "GetAgent", "CordonAgent", "UncordonAgent", "DrainAgent", "ChangeAgents")
    ),
)
_RETRY_POLICY = {
    # Every write carries a request id, so all of these may be repeated.
    "maxAttempts": 3,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


def parse_addresses(addresses: str | Sequence[str]) -> tuple[str, ...]:
    """The single addresses in order, each once, each with a port. Raises ValueError for what is no address."""
    parts = addresses.split(",") if isinstance(addresses, str) else [p for each in addresses for p in each.split(",")]
    parsed = tuple(dict.fromkeys(_with_port(part.strip()) for part in parts if part.strip()))
    if not parsed:
        raise ValueError(f'no address in {addresses!r}; give "host:port", or several separated by commas')
    return parsed


def targets(addresses: str | Sequence[str]) -> tuple[str, ...]:
    """The gRPC targets that reach these addresses: all plain IP addresses as one target, each name as one of its own.

    One target is what one channel can balance over. Names stay names, so that gRPC resolves them again when they move.
    """
    parsed = parse_addresses(addresses)
    literals = [each for each in parsed if _literal(each) is not None]
    names = tuple(each for each in parsed if _literal(each) is None)
    return ((_literal_target(literals),) if literals else ()) + names


def one_only(addresses: Sequence[str]) -> bool:
    """Whether parsed addresses are a single plain IP address; a name may stand for several."""
    return len(addresses) == 1 and _literal(addresses[0]) is not None


def open_channel(addresses: str | Sequence[str], *, round_robin: bool = True) -> grpc.aio.Channel:
    """Opens a channel to one name or to any number of IP addresses. It connects when it is first used.

    With `round_robin` calls are spread over all that the address stands for; without, one that answers gets them all.
    Several names need one channel each (see `targets`): ValueError.
    """
    found = targets(addresses)
    if len(found) != 1:
        raise ValueError(f"{', '.join(found)} are {len(found)} targets; open one channel for each")
    return open_target(found[0], round_robin=round_robin)


def open_target(target: str, *, round_robin: bool = True) -> grpc.aio.Channel:
    """Opens a channel to one gRPC target, as `targets` gives them: by TLS, if the environment names a CA."""
    options, trust = channel_options(round_robin=round_robin), trust_from()
    if trust is None:
        return grpc.aio.insecure_channel(target, options=options)
    if trust.server_name:
        options.append(("grpc.ssl_target_name_override", trust.server_name))
    return grpc.aio.secure_channel(target, trust.credentials, options=options)


def channel_options(*, round_robin: bool) -> list[tuple[str, int | str]]:
    """The options of every channel of the SDK. gRPC ignores unknown ones silently: test a new one."""
    return [
        ("grpc.service_config", _service_config(_ROUND_ROBIN if round_robin else _ANY_FIRST)),
        ("grpc.keepalive_time_ms", int(limits.KEEPALIVE_SECONDS * 1000)),
        # The timeout alone drops nobody (grpcio 1.85): the ping's own limit of 60 s counts.
        ("grpc.http2.ping_timeout_ms", int(limits.KEEPALIVE_TIMEOUT_SECONDS * 1000)),
        ("grpc.keepalive_timeout_ms", int(limits.KEEPALIVE_TIMEOUT_SECONDS * 1000)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_send_message_length", limits.MESSAGE_BYTES_MAX),
        ("grpc.max_receive_message_length", limits.MESSAGE_BYTES_MAX),
        ("grpc.initial_reconnect_backoff_ms", int(limits.RECONNECT_BACKOFF_SECONDS * 1000)),
        ("grpc.min_reconnect_backoff_ms", int(limits.RECONNECT_BACKOFF_SECONDS * 1000)),
        ("grpc.max_reconnect_backoff_ms", int(limits.RECONNECT_BACKOFF_SECONDS_MAX * 1000)),
        ("grpc.dns_min_time_between_resolutions_ms", int(limits.RESOLVE_AGAIN_SECONDS * 1000)),
        # Channels of one process share connections otherwise, and the closing of one shows in the others.
        ("grpc.use_local_subchannel_pool", 1),
    ]


class Addresses:
    """The addresses of an agent, tried one after another. `learn` takes in those that the coordinators name.

    `start` says which is the first, from 0.0 to 1.0: with a number by chance a fleet spreads over all coordinators.
    """

    def __init__(self, addresses: str | Sequence[str], *, start: float = 0.0) -> None:
        self._given = parse_addresses(addresses)
        self._ring = self._given
        self._index = int(start * len(self._ring)) % len(self._ring)

    @property
    def current(self) -> str:
        """The address to use now."""
        return self._ring[self._index]

    @property
    def ring(self) -> tuple[str, ...]:
        """All addresses, in the order in which they are tried."""
        return self._ring

    def advance(self) -> str:
        """Goes on to the next address, after the last to the first, and returns it."""
        self._index = (self._index + 1) % len(self._ring)
        return self.current

    def learn(self, live: Sequence[str]) -> None:
        """Puts the live coordinators behind the given addresses, in place of those learned before. Keeps `current`."""
        current = self.current
        learned = parse_addresses(live) if live else ()
        self._ring = tuple(dict.fromkeys((*self._given, *learned, current)))[: limits.ADDRESSES_MAX]
        self._index = self._ring.index(current) if current in self._ring else 0


def _with_port(address: str) -> str:
    if "://" in address or address.startswith(("dns:", "unix:", "ipv4:", "ipv6:")):
        return address
    if address.count(":") > 1 and not address.startswith("["):
        return f"[{ipaddress.IPv6Address(address)}]:{DEFAULT_PORT}"
    host, separator, port = address.rpartition(":") if not address.endswith("]") else (address, "", "")
    if not separator:
        return f"{address}:{DEFAULT_PORT}"
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f'"{address}" is no address; give "host:port" with a port from 1 to 65535')
    return address


def _literal(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    host = address.rpartition(":")[0].removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _literal_target(literals: Sequence[str]) -> str:
    if len(literals) == 1:
        return literals[0]
    if all(isinstance(_literal(each), ipaddress.IPv4Address) for each in literals):
        return "ipv4:" + ",".join(literals)
    return "ipv6:" + ",".join(_as_ipv6(each) for each in literals)


def _as_ipv6(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"[::ffff:{host}]:{port}" if isinstance(_literal(address), ipaddress.IPv4Address) else address


def _service_config(policy: Mapping[str, object]) -> str:
    return json.dumps(
        {
            "loadBalancingConfig": [policy],
            "methodConfig": [{"name": list(_RETRIED_METHODS), "retryPolicy": _RETRY_POLICY}],
        }
    )
