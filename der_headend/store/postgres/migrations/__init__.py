"""The schema and its history: one revision per change, its SQL beside it in a file of the same name.

``runner.upgrade`` brings a database to the newest revision. Alembic keeps the order of revisions and renders their SQL;
it is sent over the same driver as everything else.
"""

from der_headend.store.postgres.migrations.runner import (
    SchemaTooNew,
    current_revision,
    is_known,
    newest_revision,
    upgrade,
)

__all__ = ["SchemaTooNew", "current_revision", "is_known", "newest_revision", "upgrade"]
