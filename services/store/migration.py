"""Makes and upgrades the schema."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

from services.store.transactions import begin_writing

# One upgrade at a time: any number, the same in every program.
ADVISORY_LOCK = 7_070_707_070


def upgrade(engine: Engine) -> None:
    """Makes the schema, or brings it to the newest version, in one transaction. Raises what the database raises."""
    with engine.connect() as connection:
        begin_writing(connection)
        try:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
            command.upgrade(_configuration(connection), "head")
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


def _configuration(connection: Connection) -> Config:
    configuration = Config(attributes={"connection": connection})
    configuration.set_main_option("script_location", "services.store:migrations")
    return configuration
