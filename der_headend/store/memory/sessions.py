"""Sessions in memory: there is nothing to remember, for what would ask after a restart starts empty itself."""

from collections.abc import Sequence

from der_headend.ports import SessionRecord


class MemorySessions:
    """A ``SessionStore`` that has forgotten everything."""

    async def close_open(self, reason: str) -> Sequence[SessionRecord]:  # noqa: ARG002 - the port's signature
        """None was open."""
        return ()

    async def recent(self, per_agent: int) -> Sequence[SessionRecord]:  # noqa: ARG002 - the port's signature
        """None."""
        return ()
