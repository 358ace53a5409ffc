"""How Alembic runs here: on the application's engine, in one transaction, comparing types and constraints by name."""

from alembic import context
from flask import current_app

import models  # noqa: F401  every table, so that autogenerate sees one metadata
from models.db import Base, db

PARTITION_PREFIX = "study_events_"


def include_name(name, type_, _parents):
    """Partitions of the log and its view are made by hand; autogenerate must not drop them."""
    return not (type_ == "table" and name and name.startswith(PARTITION_PREFIX))


def run():
    """Bring the database of the current application up or down."""
    if context.is_offline_mode():
        raise RuntimeError("Migrations run on a live database only: some look at it before they write.")
    with db.engine.connect().execution_options(writes=True) as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_name=include_name,
            transaction_per_migration=True,
            **current_app.extensions["migrate"].configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
