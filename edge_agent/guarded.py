"""A driver under guard: slow, hung or broken, it costs only its own asset.

Each call has a time limit. A call that does not even end when it is told to is left alone, and until it does end no
other of its kind is started: the asset is offline meanwhile. What a driver raises beyond ``DriverFailed``, or answers
that is no answer, is a defect of the driver; it is logged with its traceback and otherwise treated like a failure. A
change between answering and not answering is logged once each way.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from typing import TypeVar

from der_core.assets import Asset
from der_core.events import Severity
from der_core.signals import AVAILABLE_MW, SOC_PCT
from der_runtime.logs import get_logger
from der_wire.fields import LARGEST, MAX_TEXT
from edge_agent.decisions import Applied, Condition, NotApplied, Write
from edge_agent.ports import Driver, DriverFailed, DriverRefused, Fault, Reading

_log = get_logger(__name__)
_T = TypeVar("_T")


class _NotAnswering(Exception):
    """A call took too long, or one before it still does."""


class _Defect(Exception):
    """The driver broke its word in a way that raises nothing by itself."""


class GuardedDriver:
    """The driver of one asset, with its time limits in seconds; remembers the last reading."""

    def __init__(self, *, asset: Asset, driver: Driver, read_limit_s: float, write_limit_s: float) -> None:
        self.asset = asset
        self._driver = driver
        self._read_limit_s = read_limit_s
        self._write_limit_s = write_limit_s
        self._calls: dict[str, asyncio.Task[object]] = {}
        self._reading: Reading | None = None
        self._trouble: str | None = None
        self._blind = False
        self.failures: Counter[str] = Counter()
        """Reads and writes that failed, were too slow or made no sense."""

    @property
    def trouble(self) -> str | None:
        """Why the asset could not be read the last time, for people; ``None`` if it could."""
        return self._trouble

    def condition(self) -> Condition:
        """What matters of the asset for a command, as last read."""
        values = {} if self._reading is None else self._reading.values
        soc_pct, available_mw = values.get(SOC_PCT.name), values.get(AVAILABLE_MW.name)
        return Condition(
            online=self._reading is not None and self._online(),
            soc_pct=_known(soc_pct),
            available_mw=_known(available_mw),
        )

    async def read(self) -> Reading | None:
        """What the asset shows now; ``None`` if it cannot be read."""
        try:
            self._reading = _reading(await self._limited("read", self._driver.read(), self._read_limit_s))
        except (DriverFailed, _NotAnswering) as error:
            self._now_in(str(error))
        except Exception as error:  # noqa: BLE001 - a driver's defect must not take the other assets along
            if self._trouble is None:
                _log.exception("driver defect", asset=self.asset.name, call="read")
            self._now_in(f"driver defect: {error!r}")
        else:
            self._now_in(None)
        return self._reading

    async def write(self, write: Write) -> Applied | NotApplied:
        """Carry out a write."""
        result = await self._write(write)
        self.failures["write"] += isinstance(result, NotApplied)
        return result

    async def close(self) -> None:
        """Leave the asset alone."""
        for call in self._calls.values():
            call.cancel()
        try:
            await self._limited("close", self._driver.close(), self._write_limit_s)
        except (DriverFailed, _NotAnswering) as error:
            _log.warning("asset not closed", asset=self.asset.name, reason=str(error))
        except Exception:  # noqa: BLE001 - as above
            _log.exception("driver defect", asset=self.asset.name, call="close")

    async def _write(self, write: Write) -> Applied | NotApplied:
        try:
            applied_mw = await self._limited(
                "write", self._driver.write(write.setpoint_mw), self._write_limit_s
            )
        except DriverRefused as refusal:
            return NotApplied(write, "driver_error", str(refusal), unchanged=True)
        except DriverFailed as error:
            return NotApplied(write, "driver_error", str(error), unchanged=False)
        except _NotAnswering as error:
            return NotApplied(write, "driver_timeout", str(error), unchanged=False)
        except Exception as error:  # noqa: BLE001 - as above
            _log.exception("driver defect", asset=self.asset.name, call="write")
            return NotApplied(write, "driver_error", f"driver defect: {error!r}", unchanged=False)
        if _known(applied_mw) is None:
            return NotApplied(write, "driver_error", f"the driver answered {applied_mw!r}", unchanged=False)
        return Applied(write, applied_mw)

    def _online(self) -> bool:
        try:
            online = self._driver.online()
        except Exception:  # noqa: BLE001 - as above
            if not self._blind:
                _log.exception("driver defect", asset=self.asset.name, call="online")
            self._blind = True
            return False
        self._blind = False
        return online

    async def _limited(self, kind: str, call: Coroutine[object, object, _T], limit_s: float) -> _T:
        earlier = self._calls.get(kind)
        if earlier is not None and not earlier.done():
            call.close()
            raise _NotAnswering(f"the {kind} before this one still hangs")
        task = asyncio.create_task(call, name=f"driver-{kind}-{self.asset.name}")
        self._calls[kind] = task
        try:
            await asyncio.wait([task], timeout=limit_s)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            task.cancel()
            task.add_done_callback(_retrieve)
            raise _NotAnswering(f"no answer to a {kind} within {limit_s:g} s")
        if task.cancelled():  # not by us; it must not look as if we were
            raise _Defect(f"the {kind} cancelled itself")
        return task.result()

    def _now_in(self, trouble: str | None) -> None:
        if trouble is not None:
            self._reading = None
            self.failures["read"] += 1
            if self._trouble is None:
                _log.warning("asset does not answer", asset=self.asset.name, reason=trouble)
        elif self._trouble is not None:
            _log.info("asset answers again", asset=self.asset.name)
        self._trouble = trouble


def _reading(answer: object) -> Reading:
    if not isinstance(answer, Reading):
        raise _Defect(f"it read {answer!r}")
    values: object = answer.values
    faults: object = answer.faults
    if not (isinstance(values, Mapping) and isinstance(faults, Sequence) and all(map(_is_fault, faults))):
        raise _Defect(f"it read {answer!r}")
    return answer


def _is_fault(fault: object) -> bool:
    if not isinstance(fault, Fault):
        return False
    code: object = fault.code
    severity: object = fault.severity
    message: object = fault.message
    return (
        isinstance(code, str)
        and 0 < len(code) <= MAX_TEXT
        and isinstance(severity, Severity)
        and isinstance(message, str)
    )


def _known(value: float | str | None) -> float | None:
    return value if isinstance(value, int | float) and abs(value) <= LARGEST else None


def _retrieve(task: "asyncio.Task[object]") -> None:
    """Take the outcome of an abandoned call, so that it is not complained about when it is collected."""
    if not task.cancelled():
        task.exception()
