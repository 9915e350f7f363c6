"""Each partition of telemetry has an index of its own, made with it or when it closes.

Dropping the one they shared drops its parts; a headend builds them again in the background, the newest first.
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Drop the shared index."""
    op.execute("drop index telemetry_of_asset")
