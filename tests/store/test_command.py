"""`missionctl db`: what it makes, copies, puts back and finds, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text, update
from typer.testing import CliRunner, Result

from services.domain.errors import FailedPrecondition
from services.domain.event import Position
from services.fleet.postgres import PostgresServer
from services.store.command import app
from services.store.database import open_database
from services.store.feed import read_position
from services.store.migration import _configuration
from services.store.schedulers import choose, read_active
from services.store.schema import SCHEMA_VERSION, metadata, schema_info
from services.store.schema_check import prepare_schema
from services.store.transactions import begin_writing
from services.store.writer import TermLost
from tests.store.world import World


@pytest.fixture
def url(database_url: str) -> str:
    assert db("upgrade", "--database-url", database_url).exit_code == 0
    return database_url


@pytest.fixture
def programs(request: pytest.FixtureRequest, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's own programs are on the PATH."""
    if url.startswith("postgresql"):
        server: PostgresServer = request.getfixturevalue("postgres")
        monkeypatch.setenv("PATH", f"{server.binaries}{os.pathsep}{os.environ['PATH']}")


def db(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


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


@pytest.mark.parametrize(
    "wrong",
    [
        "junk",
        "postgresql://user:secret@127.0.0.1:1/database",
        "postgresql://user:p@ss:secret@127.0.0.1:1/database",
        "sqlite://",
        "nope://user:secret@x",
    ],
)
def test_an_url_that_cannot_be_used_is_one_line_without_its_password(wrong: str) -> None:
    result = check("--database-url", wrong)

    assert result.exit_code == 5
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.stderr


def test_an_unknown_output_is_refused(url: str) -> None:
    assert check("--database-url", url, "--output", "yaml").exit_code == 2


def test_an_upgrade_makes_what_the_program_works_with_and_can_be_repeated(url: str) -> None:
    engine = open_database(url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()

    assert differences == []
    again = db("upgrade", "--database-url", url, "--output", "json")
    assert json.loads(again.stdout) == {"version": SCHEMA_VERSION, "oldest": 1}


@pytest.mark.usefixtures("programs")
def test_a_backup_of_a_running_database_is_put_back_with_a_new_epoch_and_ends_who_wrote(
    url: str, tmp_path: Path
) -> None:
    world = World(url)
    before = position(world)
    world.submit("t1")
    backup = db("backup", str(tmp_path / "copy"), "--database-url", url)
    world.submit("t2")

    restored = db("restore", str(tmp_path / "copy"), "--database-url", url, "--output", "json")

    assert (backup.exit_code, restored.exit_code) == (0, 0), backup.stderr + restored.stderr
    assert not (tmp_path / "copy.part").exists()
    with pytest.raises(TermLost):
        world.submit("t3")
    world.close()
    after = World(url)
    assert position(after).epoch == json.loads(restored.stdout)["epoch"] != before.epoch
    assert after.task("t1").id == "t1"
    with pytest.raises(KeyError):
        after.task("t2")
    assert after.findings() == []
    after.close()


@pytest.mark.usefixtures("programs")
def test_who_was_started_once_since_the_backup_cannot_write_to_what_is_put_back(url: str, tmp_path: Path) -> None:
    World(url).close()
    backup = db("backup", str(tmp_path / "copy"), "--database-url", url)
    started_since = World(url)
    started_since.submit("t1")

    restored = db("restore", str(tmp_path / "copy"), "--database-url", url)

    assert (backup.exit_code, restored.exit_code) == (0, 0), backup.stderr + restored.stderr
    with pytest.raises(TermLost):
        started_since.cancel("t1")
    started_since.close()


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%41b", "a b"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_backup_may_have_any_name_and_is_one_file(url: str, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copies" / name
    copy.parent.mkdir()

    backup = db("backup", str(copy), "--database-url", url)
    restored = db("restore", str(copy), "--database-url", url)

    assert (backup.exit_code, restored.exit_code) == (0, 0), backup.stderr + restored.stderr
    assert list(copy.parent.iterdir()) == [copy]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_backup_into_a_folder_that_is_not_there_is_refused_in_one_line(url: str, tmp_path: Path) -> None:
    result = db("backup", str(tmp_path / "nowhere" / "copy"), "--database-url", url)

    assert result.exit_code == 5
    assert result.stderr.count("\n") == 1


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_was_put_back_in_an_older_schema_can_be_upgraded(postgres: PostgresServer, tmp_path: Path) -> None:
    with postgres.connect() as connection:
        connection.execute("CREATE DATABASE older TEMPLATE template0")
    older = postgres.url("older")
    upgrade_to(older, "0002")

    steps = [("backup", str(tmp_path / "copy")), ("upgrade",), ("restore", str(tmp_path / "copy")), ("upgrade",)]
    results = [db(*step, "--database-url", older) for step in steps]

    assert [result.exit_code for result in results] == [0, 0, 0, 0], [result.stderr for result in results]
    engine = open_database(older)
    prepare_schema(engine)
    engine.dispose()


def upgrade_to(url: str, revision: str) -> None:
    """As an older program, which knew of nothing newer."""
    engine = open_database(url)
    with engine.connect() as connection:
        begin_writing(connection)
        command.upgrade(_configuration(connection), revision)
        connection.exec_driver_sql("COMMIT")
    engine.dispose()


def test_the_programs_get_a_password_by_their_environment_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, told = tmp_path / "pg_dump", tmp_path / "told"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$PGPASSWORD" "$@" > "{told}"\ntouch "{tmp_path}/copy.part"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    url = "postgresql://user:secret@/database?host=a:5432,b:5433"

    result = db("backup", str(tmp_path / "copy"), "--database-url", url)

    assert result.exit_code == 0, result.stderr
    password, *arguments = told.read_text().splitlines()
    assert password == "secret"
    assert not any(word in argument for argument in arguments for word in ("secret", "password", "***"))
    assert {"host=a,b", "port=5432,5433"} <= set(arguments[0].removeprefix("--dbname=").split())


def test_a_backup_overwrites_nothing(url: str, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("precious")
    result = db("backup", str(tmp_path / "copy"), "--database-url", url)

    assert result.exit_code == 5
    assert "exists already" in result.stderr
    assert (tmp_path / "copy").read_text() == "precious"


@pytest.mark.usefixtures("programs")
def test_what_is_no_backup_changes_nothing(url: str, tmp_path: Path) -> None:
    world = World(url)
    world.submit("t1")
    world.close()
    (tmp_path / "junk").write_text("no database")

    result = db("restore", str(tmp_path / "junk"), "--database-url", url)

    assert result.exit_code == 5
    world = World(url)
    assert world.task("t1").id == "t1"
    world.close()


@pytest.mark.usefixtures("programs")
def test_schedulers_take_the_term_of_a_database_that_was_put_back(url: str, tmp_path: Path) -> None:
    """Twice: what was put back is always the same."""
    engine, terms = open_database(url), [0]
    with engine.connect() as connection:
        choose(connection, "a:1", seen=0)
    db("backup", str(tmp_path / "copy"), "--database-url", url)
    for _ in range(2):
        with engine.connect() as connection:
            choose(connection, "b:1", seen=read_active(connection).term)
            terms.append(read_active(connection).term)
        engine.dispose()
        assert db("restore", str(tmp_path / "copy"), "--database-url", url).exit_code == 0
        with engine.connect() as connection:
            terms.append(read_active(connection).term)
    assert terms == sorted(terms)
    engine.dispose()


def test_a_new_epoch_alone(url: str) -> None:
    world = World(url)
    before = position(world)
    result = db("new-epoch", "--database-url", url)

    assert result.exit_code == 0
    assert position(world).epoch in result.stdout
    assert position(world).epoch != before.epoch
    world.close()


def test_an_empty_server_is_refused_with_the_command_to_run(postgres: PostgresServer) -> None:
    with postgres.connect() as connection:
        connection.execute("CREATE DATABASE empty TEMPLATE template0")
    engine = open_database(postgres.url("empty"))
    with pytest.raises(FailedPrecondition, match="missionctl db upgrade"):
        prepare_schema(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("version", "oldest", "answer"),
    [(0, 0, "missionctl db upgrade"), (SCHEMA_VERSION + 2, SCHEMA_VERSION + 1, "use a newer program")],
)
def test_a_schema_that_is_not_known_is_refused_with_what_to_do(
    url: str, version: int, oldest: int, answer: str
) -> None:
    engine = open_database(url)
    with engine.connect() as connection:
        connection.execute(update(schema_info).values(version=version, oldest=oldest))
    with pytest.raises(FailedPrecondition, match=answer):
        prepare_schema(engine)
    engine.dispose()


def test_a_newer_schema_that_knows_this_program_is_accepted(url: str) -> None:
    """Coordinators of two versions run side by side while the fleet is upgraded."""
    engine = open_database(url)
    with engine.connect() as connection:
        connection.execute(update(schema_info).values(version=SCHEMA_VERSION + 1, oldest=SCHEMA_VERSION))
    prepare_schema(engine)
    engine.dispose()


def test_an_upgrade_by_an_older_program_leaves_a_newer_schema_alone(url: str) -> None:
    engine = open_database(url)
    with engine.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(update(schema_info).values(version=SCHEMA_VERSION + 1, oldest=SCHEMA_VERSION))

    result = db("upgrade", "--database-url", url)

    assert result.exit_code == 0, result.stderr
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"
        assert connection.execute(select(schema_info.c.version)).scalar_one() == SCHEMA_VERSION + 1
    engine.dispose()


def position(world: World) -> Position:
    return read_position(world.connection)


def test_to_wait_is_to_return_once_somebody_has_made_the_schema(database_url: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run_wait, database_url)
        assert db("upgrade", "--database-url", database_url).exit_code == 0
        assert waiting.result(30).stdout == f"ok: schema version {SCHEMA_VERSION}\n"


def run_wait(url: str) -> subprocess.CompletedProcess[str]:
    arguments = ["-m", "missioncontrol.cli", "db", "wait", "--seconds", "30", "--database-url", url]
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)


def test_to_wait_in_vain_says_what_was_missing_last(url: str) -> None:
    engine = open_database(url)
    with engine.connect() as connection:
        connection.execute(update(schema_info).values(version=SCHEMA_VERSION - 1))
    engine.dispose()

    result = db("wait", "--seconds", "0", "--database-url", url)

    assert result.exit_code == 5
    assert f"this program needs {SCHEMA_VERSION}" in result.stderr
