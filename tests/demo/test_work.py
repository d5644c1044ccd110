"""The demo's work: commands whose real output passes, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from missioncontrol.command import CommandInput
from missioncontrol.payload import encode_payload
from missioncontrol.v1 import task_pb2

from demo.job import Job, spread
from demo.work import PYTHON_CAPABILITY, checksum, compilation, count, jobs_over, survey


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree, with a folder that is no part of the work and names that need care."""
    root = tmp_path / "a tree"
    (root / "package").mkdir(parents=True)
    (root / ".venv").mkdir()
    (root / ".venv" / "ignored.py").write_text("raise SystemExit")
    (root / "package" / "code.py").write_text("print('ü')\n")
    (root / "-rf back\\slash").write_bytes(b"one\ntwo")
    (root / "empty").write_bytes(b"")
    return root


def output(job: Job) -> task_pb2.Payload:
    assert isinstance(job.payload, CommandInput)
    return written(subprocess.run(job.payload.argv, capture_output=True, text=True, check=True).stdout)


def written(stdout: str) -> task_pb2.Payload:
    return encode_payload({"exit_code": 0, "stdout": stdout})


def test_every_job_over_a_tree_passes_with_its_real_output(tree: Path, tmp_path: Path) -> None:
    jobs = jobs_over(tree, tmp_path)

    assert {job.name.split()[0] for job in jobs} == {"checksum", "count", "compile", "survey"}
    assert [job.verdict(output(job)) for job in jobs] == [""] * len(jobs)
    assert len({job.name for job in jobs}) == len(jobs)


@pytest.mark.parametrize("job_of", [checksum, count, lambda root, file: survey(root, 1, [file])])
def test_the_output_of_another_file_does_not_pass(tree: Path, job_of) -> None:
    mine, other = job_of(tree, tree / "empty"), job_of(tree, tree / "package" / "code.py")

    assert mine.verdict(output(other))
    assert mine.verdict(written(""))


def test_compiling_needs_the_capability_that_one_agent_has(tree: Path, tmp_path: Path) -> None:
    assert compilation(tree, tree / "package" / "code.py", tmp_path).capabilities == (PYTHON_CAPABILITY,)


def test_the_few_are_spread_evenly_among_the_many(tree: Path) -> None:
    few = [checksum(tree, tree / "empty")] * 3
    many = [count(tree, tree / "empty")] * 9

    mixed = spread(few, many)

    assert [index for index, job in enumerate(mixed) if job.name.startswith("checksum")] == [0, 4, 8]
    assert len(mixed) == 12
