"""The schema's history, for Alembic: one file a step, each so that the program of the step before still runs on it."""
