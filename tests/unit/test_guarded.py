"""A driver that is slow, hung or broken costs only its own asset."""

import asyncio
import math
from dataclasses import dataclass, field
from typing import Any

import pytest

from der_core.events import Severity
from edge_agent.decisions import Applied, Condition, NotApplied, Write
from edge_agent.guarded import GuardedDriver
from edge_agent.ports import DriverFailed, DriverRefused, Fault, Reading
from kit.control_bench import A, battery


@dataclass
class FakeDriver:
    error: BaseException | None = None
    blind: bool = False
    nonsense: dict[str, Any] = field(default_factory=dict)
    hangs: bool = False
    stubborn: bool = False
    accepts_mw: float | None = None
    calls: list[str] = field(default_factory=list)
    freed: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> Reading:
        await self._behave("read")
        reading: Reading = self.nonsense.get("read", Reading({"soc_pct": 40.0, "available_mw": math.nan}))
        return reading

    async def write(self, setpoint_mw: float | None) -> float:
        await self._behave("write")
        accepted_mw: float = self.nonsense.get("write", self.accepts_mw or setpoint_mw or 0.0)
        return accepted_mw

    def online(self) -> bool:
        if self.blind:
            raise OSError("the bus is gone")
        return True

    async def close(self) -> None:
        await self._behave("close")

    async def _behave(self, call: str) -> None:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        while self.hangs:
            try:
                await self.freed.wait()
                return
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver()


@pytest.fixture
def guarded(driver: FakeDriver) -> GuardedDriver:
    return GuardedDriver(asset=battery(A), driver=driver, read_limit_s=0.02, write_limit_s=0.02)


WRITE = Write(A, 5.0)


async def test_reading_is_remembered_for_commands(guarded: GuardedDriver) -> None:
    assert guarded.condition() == Condition(online=False)
    assert await guarded.read() is not None
    assert guarded.condition() == Condition(online=True, soc_pct=40.0, available_mw=None)


@pytest.mark.parametrize(
    "error", [DriverFailed("no answer"), ValueError("a defect"), asyncio.CancelledError()]
)
async def test_failing_read_is_unknown_and_the_asset_offline(
    guarded: GuardedDriver, driver: FakeDriver, error: Exception
) -> None:
    await guarded.read()
    driver.error = error
    assert await guarded.read() is None
    assert not guarded.condition().online
    assert guarded.trouble is not None
    driver.error = None
    assert await guarded.read() is not None
    assert guarded.trouble is None


async def test_hung_read_is_given_up(guarded: GuardedDriver, driver: FakeDriver) -> None:
    driver.hangs = True
    assert await guarded.read() is None
    await asyncio.sleep(0)  # its cancellation takes a turn of the loop
    driver.hangs = False
    assert await guarded.read() is not None


async def test_read_that_cannot_be_cancelled_is_not_repeated_beside_itself(
    guarded: GuardedDriver, driver: FakeDriver
) -> None:
    driver.hangs = driver.stubborn = True
    assert await guarded.read() is None
    assert await guarded.read() is None
    assert driver.calls == ["read"]
    driver.freed.set()
    await asyncio.sleep(0)
    driver.hangs = False
    assert await guarded.read() is not None
    await guarded.close()


async def test_write_outcomes(guarded: GuardedDriver, driver: FakeDriver) -> None:
    assert await guarded.write(WRITE) == Applied(WRITE, 5.0)
    driver.accepts_mw = 4.0
    assert await guarded.write(WRITE) == Applied(WRITE, 4.0)
    driver.accepts_mw = math.nan
    assert isinstance(await guarded.write(WRITE), NotApplied)
    driver.error = DriverRefused("breaker open")
    assert await guarded.write(WRITE) == NotApplied(WRITE, "driver_error", "breaker open", unchanged=True)
    driver.error = DriverFailed("reset by peer")
    assert await guarded.write(WRITE) == NotApplied(WRITE, "driver_error", "reset by peer", unchanged=False)
    driver.error = ValueError("a defect")
    outcome = await guarded.write(WRITE)
    assert isinstance(outcome, NotApplied)
    assert not outcome.unchanged
    driver.error, driver.hangs = None, True
    outcome = await guarded.write(WRITE)
    assert isinstance(outcome, NotApplied)
    assert (outcome.reason, outcome.unchanged) == ("driver_timeout", False)


async def test_answer_that_is_no_power_is_a_failed_write(guarded: GuardedDriver, driver: FakeDriver) -> None:
    for answer in (None, math.nan, math.inf, "5"):
        driver.nonsense["write"] = answer
        outcome = await guarded.write(WRITE)
        assert isinstance(outcome, NotApplied)
        assert (outcome.reason, outcome.unchanged) == ("driver_error", False)


async def test_answer_that_is_no_reading_is_a_failed_read(guarded: GuardedDriver, driver: FakeDriver) -> None:
    driver.nonsense["read"] = None
    assert await guarded.read() is None
    assert guarded.trouble is not None


@pytest.mark.parametrize(
    "reading",
    [
        Reading(None),  # type: ignore[arg-type]  # nor the others: a driver need not be typed
        Reading({}, faults=None),  # type: ignore[arg-type]
        Reading({}, faults=["trip"]),  # type: ignore[list-item]
        Reading({}, faults=(Fault("trip", Severity.CRITICAL, "trip") for _ in "1")),  # type: ignore[arg-type]
        Reading({}, faults=[Fault("", Severity.CRITICAL, "trip")]),
        Reading({}, faults=[Fault("t" * 513, Severity.CRITICAL, "trip")]),
        Reading({}, faults=[Fault("trip", "error", "trip")]),  # type: ignore[arg-type]
        Reading({}, faults=[Fault("trip", Severity.CRITICAL, OSError("trip"))]),  # type: ignore[arg-type]
    ],
)
async def test_reading_with_nonsense_in_it_is_a_failed_read(
    guarded: GuardedDriver, driver: FakeDriver, reading: Reading
) -> None:
    driver.nonsense["read"] = reading
    assert await guarded.read() is None
    assert guarded.trouble is not None
    assert guarded.trouble.startswith("driver defect")


async def test_number_beyond_any_asset_is_unknown(guarded: GuardedDriver, driver: FakeDriver) -> None:
    driver.nonsense = {"read": Reading({"soc_pct": 0xFFFFFFFF, "available_mw": -2e9}), "write": 0xFFFFFFFF}
    await guarded.read()
    assert guarded.condition() == Condition(online=True, soc_pct=None, available_mw=None)
    assert isinstance(await guarded.write(WRITE), NotApplied)


async def test_write_that_cancels_itself_is_a_failed_one(guarded: GuardedDriver, driver: FakeDriver) -> None:
    driver.error = asyncio.CancelledError()
    outcome = await guarded.write(WRITE)
    assert isinstance(outcome, NotApplied)
    assert not outcome.unchanged


async def test_driver_that_cannot_say_whether_it_is_online_is_not(
    guarded: GuardedDriver, driver: FakeDriver
) -> None:
    await guarded.read()
    driver.blind = True
    assert not guarded.condition().online
    driver.blind = False
    assert guarded.condition().online


@pytest.mark.parametrize("error", [DriverFailed("no answer"), OSError("bus gone"), asyncio.CancelledError()])
async def test_driver_that_does_not_close_holds_nobody_up(
    guarded: GuardedDriver, driver: FakeDriver, error: BaseException
) -> None:
    driver.error = error
    await guarded.close()
    assert driver.calls == ["close"]


async def test_what_is_cancelled_from_outside_stays_cancelled(
    guarded: GuardedDriver, driver: FakeDriver
) -> None:
    driver.hangs = True
    reading = asyncio.create_task(guarded.read())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
