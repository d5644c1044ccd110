"""`make mutants`: puts one bug after the other into a copy of the tree, and expects that the tests notice.

    python -m tests.mutants [--only PART OF A NAME]

Exits 1 if one was not noticed, or if a test fails without any.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.mutants.catalogue import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
COPIED = ("services", "clients", "protos", "demo", "benchmarks", "tests", "pyproject.toml")
AT_A_TIME = 2
TEST_SECONDS = 600
# pytest's exit codes.
PASSED, FAILED = 0, 1
# Rules are the same on both databases: the quicker one notices. That a test fails is enough to know.
# One database is enough, but for what only PostgreSQL has: several writers.
DATABASES = "not postgresql or test_several_writers"
PYTEST = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", DATABASES, "-m", "not slow")
PYTEST = (*PYTEST, "--timeout", "60", "--hypothesis-profile", "unshrunk")
# The environment has this tree installed; the copy's code has to come before it.
PROBE = "import missioncontrol, services; print(services.__file__, missioncontrol.__file__)"


class Verdict(NamedTuple):
    """What the tests said."""

    mutant: Mutant
    caught: str
    seconds: float


class HarnessError(Exception):
    """It is not the mutant that is at fault."""


def main() -> int:
    """Runs all, prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="mutants with this in their name")
    wanted = [mutant for mutant in MUTANTS if parser.parse_args().only in mutant.name]
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="missioncontrol-mutants-") as folder:
        try:
            check_tests(Path(folder) / "unchanged", {test for mutant in wanted for test in mutant.tests})
        except HarnessError as error:
            print(f"mutants: {error}", file=sys.stderr)
            return 1
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            verdicts = list(pool.map(partial(examine, folder=Path(folder)), wanted))
    survivors = [verdict.mutant for verdict in verdicts if not verdict.caught]
    print(f"mutants: {len(wanted) - len(survivors)} of {len(wanted)} caught in {time.monotonic() - begin:.0f} s")
    for mutant in survivors:
        print(f"mutants: NOT CAUGHT: {mutant.name}: {mutant.bug} ({mutant.file})", file=sys.stderr)
    return 1 if survivors else 0


def check_tests(copy: Path, tests: Iterable[str]) -> None:
    """The tests pass where nothing is wrong; otherwise they say nothing about mutants. Raises HarnessError."""
    copy_tree(copy)
    found = run(copy, "-c", PROBE).stdout.split()
    if not all(Path(path).is_relative_to(copy) for path in found) or len(found) != 2:
        raise HarnessError(f"the copy's code is not what is imported: {found}")
    result = run(copy, *PYTEST, *sorted(tests))
    if result.returncode != PASSED:
        raise HarnessError(f"the tests fail without any mutant:\n{result.stdout[-4000:]}")


def examine(mutant: Mutant, *, folder: Path) -> Verdict:
    """Puts one mutant into a copy of its own and runs its tests."""
    begin = time.monotonic()
    copy = folder / str(MUTANTS.index(mutant))
    copy_tree(copy)
    put_in(mutant, copy)
    result = run(copy, *PYTEST, *mutant.tests)
    caught = failed_test(result.stdout) if result.returncode == FAILED else ""
    verdict = Verdict(mutant, caught, time.monotonic() - begin)
    print(f"{mutant.promise:8} {mutant.name}: {caught or 'NOT CAUGHT'} ({verdict.seconds:.0f} s)", flush=True)
    if not caught:
        print(result.stdout[-2000:], flush=True)
    shutil.rmtree(copy)
    return verdict


def put_in(mutant: Mutant, copy: Path) -> None:
    """Changes the copy. Raises ValueError for a mutant whose place is not there any more."""
    file = copy / mutant.file
    source = file.read_text()
    if source.count(mutant.before) != 1:
        raise ValueError(f"{mutant.name}: its place is {source.count(mutant.before)} times in {mutant.file}")
    file.write_text(source.replace(mutant.before, mutant.after))


def failed_test(output: str) -> str:
    """The test that failed; empty if it was something else, such as a module that cannot be imported."""
    for line in output.splitlines():
        if line.startswith("FAILED ") or (line.startswith("ERROR ") and "::" in line):
            return line.split(" ")[1]
    return ""


def copy_tree(copy: Path) -> None:
    """What the tests need of this tree."""
    copy.mkdir()
    built = ("node_modules", "build", "target", "dist", "bin")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", ".venv", *built)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=ignored)
        else:
            shutil.copy(source, copy / name)


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in the copy, with the copy's code."""
    path = os.pathsep.join([str(copy), str(copy / "clients" / "python")])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TEST_SECONDS,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
