"""`missionctl db check`: what it finds, what it refuses, and that it makes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from services.store.command import app
from services.store.database import open_database, prepare_schema


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'fleet.db'}"
    engine = open_database(url)
    prepare_schema(engine)
    engine.dispose()
    return url


def check(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["check", *arguments])


def test_a_whole_database_passes(url: str) -> None:
    assert check("--database-url", url).exit_code == 0


def test_what_is_wrong_is_named_and_is_an_exit_code(url: str) -> None:
    engine = open_database(url)
    with engine.connect() as connection:
        connection.execute(text("UPDATE feed SET head = 7"))
    engine.dispose()

    result = check("--database-url", url, "--output", "json")

    assert result.exit_code == 1
    assert [finding["check"] for finding in json.loads(result.stdout)] == ["sequence"]


def test_a_database_that_is_not_there_does_not_pass_and_is_not_made(tmp_path: Path) -> None:
    result = check("--database-url", f"sqlite:///{tmp_path / 'no' / 'such.db'}")

    assert result.exit_code == 5
    assert "there is no database" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["junk", "postgresql://user:secret@host/database", "sqlite://", "nope://x"])
def test_an_url_that_cannot_be_used_is_one_line_without_its_password(url: str) -> None:
    result = check("--database-url", url)

    assert result.exit_code == 5
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.stderr


def test_an_unknown_output_is_refused(url: str) -> None:
    assert check("--database-url", url, "--output", "yaml").exit_code == 2
