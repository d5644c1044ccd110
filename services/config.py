"""What a service process is told when it starts: one frozen value for each kind of process.

A setting comes from the first of: the environment (`MISSIONCONTROL_<NAME>`), for secrets a file that
`MISSIONCONTROL_<NAME>_FILE` names, the TOML file that `MISSIONCONTROL_CONFIG_FILE` names (flat, keys in lower case
without the prefix), the default. A wrong value ends the process with one line and exit code 2; an unknown variable or
key, which is nearly always a typing error, is warned about.

Only values live here. What is done with them belongs to each `__main__`; the rules of the domain are no settings.
"""

from __future__ import annotations

import difflib
import os
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, FilePath, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

PREFIX = "MISSIONCONTROL_"
CONFIG_FILE_VARIABLE = PREFIX + "CONFIG_FILE"

# Settings whose value must not be shown and may come from a file of its own.
SECRETS = frozenset({"database_url"})

# Variables of the SDK, the command line and the demo, which may stand in the environment of a service, too.
_FOREIGN = frozenset({CONFIG_FILE_VARIABLE, PREFIX + "ADDRESS", PREFIX + "NAMESPACE"})
_FOREIGN_PREFIXES = tuple(PREFIX + name for name in ("AGENT_", "TASK_", "CLIENT_", "FAILPOINT", "TEST_"))


class ConfigurationError(Exception):
    """A setting is wrong. The message is one line that names it and says why."""


def split_address(address: str) -> tuple[str, int]:
    """Splits "host:port" or "[v6]:port". Raises ValueError with the reason."""
    host, separator, port = address.rpartition(":")
    if not separator or not host:
        raise ValueError(f"must be host:port, not {address!r}")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"the port of {address!r} must be a number from 0 to 65535")
    bracketed = host.startswith("[") and host.endswith("]")
    if ":" in host and not bracketed:
        raise ValueError(f"an IPv6 host needs brackets, as in [::1]:{port}")
    return (host[1:-1] if bracketed else host), int(port)


def _checked_address(value: str) -> str:
    split_address(value)
    return value


def _dialled_address(value: str) -> str:
    if split_address(value)[1] == 0:
        raise ValueError(f"{value!r} is dialled, so its port cannot be 0")
    return value


def _comma_separated(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


ListenAddress = Annotated[str, AfterValidator(_checked_address)]
DialAddress = Annotated[str, AfterValidator(_dialled_address)]
DialAddresses = Annotated[
    tuple[DialAddress, ...], NoDecode, BeforeValidator(_comma_separated), Field(min_length=1, max_length=64)
]
OptionalListenAddress = Annotated[str, AfterValidator(lambda value: _checked_address(value) if value else value)]
Strings = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)]


class ServiceSettings(BaseSettings):
    """What every service process has. (pydantic-settings knows no other way to share fields than inheritance.)"""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    address_file: Path | None = Field(
        default=None, description="where the process writes its addresses once it listens"
    )
    metrics_listen: ListenAddress = "127.0.0.1:9464"
    stop_grace_seconds: float = Field(
        default=10.0, ge=0, le=3600, description="how long a drain may take after SIGTERM"
    )
    tls_certificate_file: FilePath | None = Field(default=None, description="chain in PEM; with it, gRPC is TLS only")
    tls_key_file: FilePath | None = Field(default=None, validate_default=True)
    tls_client_ca_file: FilePath | None = Field(
        default=None, description="only who shows a certificate of this CA gets in", validate_default=True
    )
    tls_ca_file: FilePath | None = Field(default=None, description="CA of those that are dialled; none: plain text")
    tls_server_name: str = Field(default="", description="name in their certificate, if not that of the address")

    @field_validator("tls_key_file", "tls_client_ca_file")
    @classmethod
    def _goes_with_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("tls_certificate_file")
        if value is not None and certificate is None:
            raise ValueError(f"needs {PREFIX}TLS_CERTIFICATE_FILE, too")
        if value is None and certificate is not None and info.field_name == "tls_key_file":
            raise ValueError(f"is needed with {PREFIX}TLS_CERTIFICATE_FILE")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """First match wins: arguments (tests), environment, secret files, the TOML file."""
        del dotenv_settings, file_secret_settings
        secrets = InitSettingsSource(settings_cls, _secrets_from_files(settings_cls, os.environ))
        file = InitSettingsSource(settings_cls, _config_file(os.environ))
        return init_settings, env_settings, secrets, file


class CoordinatorSettings(ServiceSettings):
    """Settings of `python -m services.coordinator`."""

    coordinator_listen: ListenAddress = "127.0.0.1:7070"
    coordinator_health_listen: OptionalListenAddress = Field(
        default="", description="gRPC health alone and in plain text, for probes; empty: only where it listens"
    )
    coordinator_advertise: str = Field(
        default="", description="host:port under which agents reach this coordinator; empty: where it listens"
    )
    database_url: str = Field(default="sqlite:///var/missioncontrol.db", min_length=1, repr=False)
    scheduler: DialAddresses = Field(
        default=("127.0.0.1:7071",), description="where schedulers listen; with several, one of them is active"
    )
    coordinator_id: str = Field(default="coordinator-1", pattern=r"^[a-zA-Z0-9]([-._a-zA-Z0-9]{0,126}[a-zA-Z0-9])?$")
    lease_ttl_seconds: float = Field(default=30.0, ge=0.2, le=86400)
    task_keep_days: float = Field(default=30.0, ge=0, le=36500, description="0 keeps them for ever")
    event_keep_days: float = Field(default=30.0, ge=0, le=36500, description="0 keeps them for ever")
    events_keep_max: int = Field(default=100_000_000, ge=1_000, description="whatever their age")


class SchedulerSettings(ServiceSettings):
    """Settings of `python -m services.scheduler`."""

    scheduler_listen: ListenAddress = "127.0.0.1:7071"
    scheduler_health_listen: OptionalListenAddress = Field(
        default="", description="gRPC health alone and in plain text, for probes; empty: only where it listens"
    )
    metrics_listen: ListenAddress = "127.0.0.1:9465"


class EventGatewaySettings(ServiceSettings):
    """Settings of `python -m services.event_gateway`."""

    event_gateway_listen: ListenAddress = "127.0.0.1:7080"
    event_gateway_grpc_listen: ListenAddress = Field(
        default="127.0.0.1:7081", description="gRPC health and reflection, for probes"
    )
    coordinators: DialAddresses = ("127.0.0.1:7070",)
    metrics_listen: ListenAddress = "127.0.0.1:9466"
    event_gateway_ring_events: int = Field(
        default=65_536, ge=16, le=10_000_000, description="recent events kept encoded"
    )
    event_gateway_readers_max: int = Field(default=5_000, ge=1, le=100_000)
    event_gateway_keepalive_seconds: float = Field(default=15.0, gt=0, le=3600)
    event_gateway_retry_seconds: float = Field(default=2.0, ge=0, le=3600, description="`retry:` told to SSE clients")
    event_gateway_write_timeout_seconds: float = Field(default=20.0, gt=0, le=3600)
    event_gateway_request_timeout_seconds: float = Field(default=10.0, gt=0, le=3600)
    event_gateway_cors_origins: Strings = Field(
        default=(), description='origins that may read from a browser; "*" = any'
    )
    event_gateway_source: str = Field(default="/missioncontrol", min_length=1, description="`source` of CloudEvents")


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)
_ALL_SETTINGS: tuple[type[ServiceSettings], ...] = (CoordinatorSettings, SchedulerSettings, EventGatewaySettings)


def load(settings_class: type[SettingsT]) -> SettingsT:
    """Reads the settings of this process.

    A wrong one ends it: one line on stderr, exit code 2. Warns of unknown ones.
    """
    try:
        settings = read(settings_class)
        unknown = unknown_names(os.environ)
    except ConfigurationError as error:
        sys.stderr.write(f"missioncontrol: {error}\n")
        raise SystemExit(2) from error
    for warning in unknown:
        sys.stderr.write(f"missioncontrol: warning: {warning}\n")
    return settings


def read(settings_class: type[SettingsT]) -> SettingsT:
    """Reads the settings; raises ConfigurationError with one line for whatever is wrong."""
    try:
        return settings_class()
    except ValidationError as error:
        raise ConfigurationError("; ".join(_explain(problem) for problem in error.errors())) from None


def unknown_names(environment: Mapping[str, str]) -> list[str]:
    """One warning for each MISSIONCONTROL_ variable, and each key of the TOML file, that no service knows."""
    fields = {name for settings in _ALL_SETTINGS for name in settings.model_fields}
    variables = {PREFIX + name.upper() for name in fields} | _FOREIGN
    variables |= {f"{PREFIX}{name.upper()}_FILE" for name in SECRETS}
    warnings = [
        _unknown("variable", name, variables)
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in variables and not name.startswith(_FOREIGN_PREFIXES)
    ]
    return warnings + [
        _unknown(f"key in {environment[CONFIG_FILE_VARIABLE]},", key, fields)
        for key in sorted(_config_file(environment))
        if key not in fields
    ]


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"unknown {what} {name}, ignored" + (f" (did you mean {near[0]}?)" if near else "")


def _explain(problem: Any) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else "?"
    if problem["type"] == "path_not_file":
        return f"{PREFIX}{name.upper()}: there is no file {problem['input']}"
    reason = str(problem["msg"]).removeprefix("Value error, ")
    given = "" if name in SECRETS or problem["type"] == "value_error" else f", not {problem['input']!r}"
    return f"{PREFIX}{name.upper()}: {reason[:1].lower()}{reason[1:]}{given}"


def _config_file(environment: Mapping[str, str]) -> dict[str, Any]:
    path = environment.get(CONFIG_FILE_VARIABLE)
    if not path:
        return {}
    try:
        with Path(path).open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{CONFIG_FILE_VARIABLE}: {path}: {_reason(error)}") from None


def _secrets_from_files(settings_class: type[BaseSettings], environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in sorted(SECRETS & settings_class.model_fields.keys()):
        variable = f"{PREFIX}{name.upper()}_FILE"
        path = environment.get(variable)
        if not path:
            continue
        if environment.get(PREFIX + name.upper()):
            raise ConfigurationError(f"{variable}: set either this or {PREFIX}{name.upper()}, not both")
        try:
            found[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{variable}: {path}: {_reason(error)}") from None
    return found


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
