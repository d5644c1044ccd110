"""The committed code of each language is what buf.gen.yaml and the contract give today."""

from __future__ import annotations

import filecmp
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from demo.languages import CLIENTS, PYTHON, Language

ROOT = CLIENTS.parent
BUF = Path(sys.executable).parent / "buf"
pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(900)]


def test_the_generated_code_is_up_to_date(language: Language, tmp_path: Path) -> None:
    if language is PYTHON:
        pytest.skip("`make check` looks at the Python code")
    language.make("plugins")
    outs = generate(language, tmp_path)

    stale = [name for out in outs for name in differing(tmp_path / out, ROOT / out)]

    assert outs
    assert stale == [], "run `make proto` and commit the result"


def generate(language: Language, scratch: Path) -> list[str]:
    """Runs the language's plugins alone, into a scratch folder; the folders that they write to."""
    template = yaml.safe_load((ROOT / "buf.gen.yaml").read_text())
    folder = f"clients/{language.name}/"
    template["plugins"] = [plugin for plugin in template["plugins"] if plugin["out"].startswith(folder)]
    own = scratch / "buf.gen.yaml"
    own.write_text(yaml.safe_dump(template))
    done = subprocess.run(
        [BUF, "generate", "--template", own, "-o", scratch], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return sorted({plugin["out"] for plugin in template["plugins"]})


def differing(fresh: Path, committed: Path) -> list[str]:
    """The files that are on one side only, or not the same on both."""
    names = {path.relative_to(side) for side in (fresh, committed) for path in side.rglob("*") if path.is_file()}
    return sorted(str(name) for name in names if not same(fresh / name, committed / name))


def same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and filecmp.cmp(one, other, shallow=False)
