"""Renews `previous.tar.xz`, the code of the version before, which the tests beside it run. It needs git.

    python tests/versions/make.py [COMMIT]

At a release, with the commit of the release that was the newest until then. Without one, the archive is made as it is.
"""

from __future__ import annotations

import lzma
import subprocess
import sys
from pathlib import Path

# Schema version 2: several coordinators, the central queue only.
COMMIT = "f1c5d08"
KEPT = ("services", "clients/python/missioncontrol", "pyproject.toml")
ARCHIVE = Path(__file__).with_name("previous.tar.xz")


def main(commit: str = COMMIT) -> None:
    """Writes the archive."""
    command = ["git", "archive", commit, *KEPT]
    packed = subprocess.run(command, cwd=ARCHIVE.parents[2], stdout=subprocess.PIPE, check=True).stdout
    ARCHIVE.write_bytes(lzma.compress(packed, preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    main(*sys.argv[1:])
