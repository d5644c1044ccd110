"""Makes and upgrades the schema."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

from services.store import schema
from services.store.database import POSTGRES_SETTINGS
from services.store.schema_check import check_schema, read_schema_info
from services.store.transactions import begin_writing

# One upgrade at a time: any number, the same in every program.
ADVISORY_LOCK = 7_070_707_070


def upgrade(engine: Engine) -> None:
    """Makes the schema, or brings it to the newest version, in one transaction. Raises what the database raises."""
    with engine.connect() as connection:
        begin_writing(connection)
        try:
            if connection.dialect.name == "postgresql":
                # A large table takes longer to look through than any read may, and so does another upgrade.
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{POSTGRES_SETTINGS['lock_timeout']}'")
            known = read_schema_info(connection)
            if known is not None and known.version > schema.SCHEMA_VERSION:
                check_schema(known)  # of a newer program, on which this one runs: there is nothing to do
                connection.exec_driver_sql("ROLLBACK")
                return
            command.upgrade(_configuration(connection), "head")
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


def _configuration(connection: Connection) -> Config:
    configuration = Config(attributes={"connection": connection})
    configuration.set_main_option("script_location", "services.store:migrations")
    return configuration
