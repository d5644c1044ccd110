"""`python -m demo`: runs the demo and prints its result. Exit code 0 only if nothing at all is wrong.

With `polyglot` the work is done by agents in five languages.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from missioncontrol.errors import MissionControlError
from rich.console import Console

from demo.languages import BuildError
from demo.polyglot import polyglot
from demo.report import report
from demo.run import Finished, run
from demo.scenario import Scenario
from demo.verdict import Verdict, judge
from demo.work import jobs_over
from services.fleet.process import FleetError

ROOT = Path(__file__).resolve().parent.parent
WRONG_SHOWN = 20
FAILED, INTERRUPTED = 1, 130


def main() -> int:
    """Runs the demo; returns the exit code. The folder of a run that failed is kept, with the logs of every process."""
    console = Console(highlight=False, soft_wrap=True)
    folder = Path(tempfile.mkdtemp(prefix="missioncontrol-demo-"))
    try:
        finished = asyncio.run(run(chosen(sys.argv[1:], folder), folder, console))
    except KeyboardInterrupt:
        console.print("demo: interrupted")
        shutil.rmtree(folder, ignore_errors=True)
        return INTERRUPTED
    except (BuildError, ExceptionGroup, FleetError, MissionControlError, OSError) as error:
        for reason in reasons(error):
            console.print(f"demo: FAILED: {reason or type(reason).__name__}", markup=False)
        console.print(f"demo: the logs are in {folder}", markup=False)
        return FAILED
    verdict = judge(finished.evidence)
    console.print(report(finished.evidence.tasks, finished.evidence.attempts, finished.redelivered))
    return conclude(console, finished, verdict, folder)


def chosen(arguments: list[str], folder: Path) -> Scenario:
    """The scenario that the command line names."""
    if arguments == ["polyglot"]:
        return polyglot(ROOT)
    scratch = folder.absolute() / "compiled"
    scratch.mkdir(parents=True)
    return Scenario(jobs_over(ROOT, scratch))


def conclude(console: Console, finished: Finished, verdict: Verdict, folder: Path) -> int:
    """Prints the last lines; returns the exit code."""
    console.print(
        f"demo: {len(finished.evidence.events)} events in {finished.seconds:.1f} s over {finished.connections} "
        f"connection(s), {finished.redelivered} task(s) redelivered",
        markup=False,
    )
    for sentence in verdict.wrong[:WRONG_SHOWN]:
        console.print(f"demo: WRONG: {sentence}", markup=False)
    counts = f"{verdict.succeeded} tasks succeeded, {verdict.lost} lost, {verdict.duplicated} duplicated"
    if verdict.wrong:
        console.print(f"demo: FAILED: {counts}, {len(verdict.wrong)} things wrong", markup=False)
        console.print(f"demo: the logs are in {folder}", markup=False)
        return FAILED
    console.print(f"demo: {counts}, feed complete", markup=False)
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def reasons(error: BaseException) -> list[BaseException]:
    """The errors in a group, flat; the error itself if it is none."""
    if isinstance(error, BaseExceptionGroup):
        return [reason for inner in error.exceptions for reason in reasons(inner)]
    return [error]


if __name__ == "__main__":
    sys.exit(main())
