"""`python -m missioncontrol.cli`: the same as `missionctl`, for where no console script is on the path."""

from __future__ import annotations

from missioncontrol.cli import main

if __name__ == "__main__":
    main()
