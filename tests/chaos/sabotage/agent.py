"""An agent of a chaos run that does not know again a setpoint which it has had before.

``python -m chaos.sabotage.agent``, otherwise as ``chaos.agent``.
"""

import sys
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch
from uuid import UUID

from chaos.agent import main
from der_core.dispatch import Command
from edge_agent.control import SiteControl
from edge_agent.decisions import Condition, Decision

_command = SiteControl.command


def skip_dedupe() -> None:
    """Forget a dispatch whenever a setpoint of it comes."""

    def command(
        self: SiteControl, command: Command, conditions: Mapping[UUID, Condition], **others: Any
    ) -> Decision:
        self._ledger._entries.pop(command.dispatch_id, None)
        return _command(self, command, conditions, **others)

    patch.object(SiteControl, "command", command).start()


if __name__ == "__main__":
    skip_dedupe()
    sys.exit(main())
