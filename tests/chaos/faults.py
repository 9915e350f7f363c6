"""Faults under way: each begins at its time and ends by itself, whatever else goes on."""

import threading
import time
from collections.abc import Callable

from chaos.plan import Fault
from chaos.rig import Rig


class Faults:
    """Carries out faults, each in a thread of its own; ``tell`` gets a line when one begins and when one ends."""

    def __init__(self, rig: Rig, *, tell: Callable[[str], None]) -> None:
        self._rig = rig
        self._tell = tell
        self._threads: list[threading.Thread] = []
        self.count = 0

    def start(self, fault: Fault) -> None:
        """Begin a fault; it ends by itself."""
        self.count += 1
        thread = threading.Thread(target=self._carry_out, args=(fault,), name=fault.kind, daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self) -> None:
        """Until all are over."""
        for thread in self._threads:
            thread.join()

    def _carry_out(self, fault: Fault) -> None:
        self._tell(f"{fault.kind:18} of {fault.victim} begins, for {fault.for_s:.2f} s")
        end = self._rig.begin(fault)
        time.sleep(fault.for_s)
        end()
        self._tell(f"{fault.kind:18} of {fault.victim} is over")
