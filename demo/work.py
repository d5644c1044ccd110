"""The work of the demo: real commands over the files of this source tree, each with a way to judge its output.

Pure but for reading the tree: which jobs there are depends on the files alone. How they are submitted is in `run`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from missioncontrol.command import COMMAND_KIND, CommandInput, CommandOutput
from missioncontrol.payload import decode_payload
from missioncontrol.v1 import task_pb2

from demo.job import NORMAL, URGENT, Job, spread

FILES_QUEUE, CODE_QUEUE = "files", "code"
# Only one agent of the fleet has it.
PYTHON_CAPABILITY = "python"
# At most so many jobs of each kind, so that the demo takes seconds however large the tree grows.
CHECKSUMS_MAX, COUNTS_MAX, COMPILES_MAX, HISTORIES_MAX, SURVEYS_MAX = 130, 130, 100, 60, 14
# A survey takes its time over each file, so that an agent that is killed surely holds a running one.
SURVEY_FILES, SURVEY_PAUSE_SECONDS = 5, 0.4
FILE_BYTES_MAX = 1 << 20
_SKIPPED_FOLDERS = {"bin", "build", "dist", "node_modules", "target", "var", "__pycache__"}

# What is wrong with what a command wrote; empty if nothing is.
Reading = Callable[[str], str]


def jobs_over(root: Path, scratch: Path) -> list[Job]:
    """Every job over the tree at `root`, long ones spread among the others. Compiled files go below `scratch`."""
    files = sorted(source_files(root))
    python = [file for file in files if file.suffix in {".py", ".pyi"}]
    short = [
        *(checksum(root, file) for file in islice(files, CHECKSUMS_MAX)),
        *(count(root, file) for file in islice(reversed(files), COUNTS_MAX)),
        *(compilation(root, file, scratch) for file in islice(python, COMPILES_MAX)),
        *(history(root, file) for file in islice(tracked(root, files), HISTORIES_MAX)),
    ]
    return spread(surveys(root, files), short)


def source_files(root: Path) -> Iterator[Path]:
    """The files of the tree that are neither hidden nor made by its tools."""
    for entry in root.iterdir():
        made = entry.name in _SKIPPED_FOLDERS or entry.name.startswith(".") or entry.name.endswith(".egg-info")
        if made or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from source_files(entry)
        elif entry.stat().st_size <= FILE_BYTES_MAX:
            yield entry


def checksum(root: Path, file: Path) -> Job:
    """The SHA-256 of a file."""
    tool = ("sha256sum",) if shutil.which("sha256sum") else ("shasum", "-a", "256")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    reading = _equals(lambda text: text.lstrip("\\").split()[0], digest)
    return command_job(_name("checksum", root, file), (*tool, str(file)), reading)


def count(root: Path, file: Path) -> Job:
    """The lines and bytes of a file."""
    content = file.read_bytes()
    expected = [str(content.count(b"\n")), str(len(content))]
    reading = _equals(lambda text: text.split()[:2], expected)
    return command_job(_name("count", root, file), ("wc", "-l", "-c", str(file)), reading)


def compilation(root: Path, file: Path, scratch: Path) -> Job:
    """Compiles a Python file. Somebody waits for it, and only an agent with Python can do it."""
    code = "import py_compile, sys; print(py_compile.compile(sys.argv[1], sys.argv[2], doraise=True))"
    target = scratch / f"{hashlib.sha256(str(file).encode()).hexdigest()[:16]}.pyc"
    argv = (sys.executable, "-I", "-S", "-c", code, str(file), str(target))
    job = command_job(_name("compile", root, file), argv, _equals(str.strip, str(target)), CODE_QUEUE)
    return replace(job, priority=URGENT, capabilities=(PYTHON_CAPABILITY,))


def history(root: Path, file: Path) -> Job:
    """The commits of a file."""
    argv = ("git", "-C", str(root), "log", "--format=%H", "--", str(file))

    def reading(text: str) -> str:
        lines = text.split()
        return "" if lines and all(re.fullmatch("[0-9a-f]{40,64}", line) for line in lines) else f"no commits: {text!r}"

    return command_job(_name("history", root, file), argv, reading, CODE_QUEUE)


def tracked(root: Path, files: Iterable[Path]) -> list[Path]:
    """Those files that a repository knows; none in an unpacked archive or where there is no git."""
    if not (root / ".git").exists() or shutil.which("git") is None:
        return []
    done = subprocess.run(
        ["git", "-C", str(root), "log", "--format=", "--name-only", "--diff-filter=A", "-z"],  # noqa: S607 - the user's git
        capture_output=True,
        check=False,
    )
    known = {root / name.decode(errors="replace") for name in done.stdout.split(b"\0")}
    return [file for file in files if file in known]


def surveys(root: Path, files: list[Path]) -> list[Job]:
    """Reads some files one at a time, with a breath between them: work that runs for seconds."""
    groups = [files[start : start + SURVEY_FILES] for start in range(0, len(files), SURVEY_FILES)]
    return [survey(root, number, group) for number, group in enumerate(islice(groups, SURVEYS_MAX), 1)]


def survey(root: Path, number: int, files: list[Path]) -> Job:
    """The POSIX checksums of some files, slowly."""
    script = f'for file in "$@"; do cksum < "$file" || exit 1; sleep {SURVEY_PAUSE_SECONDS}; done'
    sizes = [str(file.stat().st_size) for file in files]
    reading = _equals(lambda text: [line.split()[1] for line in text.splitlines()], sizes)
    name = f"survey {number} of {files[0].parent.relative_to(root)}"
    # Some wait for nobody, so that they do not all run first.
    priority = NORMAL if number % 2 else URGENT
    job = command_job(name, ("sh", "-c", script, "survey", *map(str, files)), reading, CODE_QUEUE)
    return replace(job, priority=priority, long=True)


def command_job(name: str, argv: tuple[str, ...], reading: Reading, queue: str = FILES_QUEUE) -> Job:
    """A command whose standard output is read."""

    def verdict(output: task_pb2.Payload) -> str:
        return reading(decode_payload(output, CommandOutput).stdout)

    return Job(name, COMMAND_KIND, CommandInput(argv=argv), verdict, queue)


def _name(what: str, root: Path, file: Path) -> str:
    return f"{what} {file.relative_to(root)}"


def _equals(read: Callable[[str], object], expected: object) -> Reading:
    def reading(text: str) -> str:
        try:
            found = read(text)
        except IndexError:
            return f"unreadable output: {text!r}"
        return "" if found == expected else f"expected {expected!r}, found {found!r}"

    return reading
