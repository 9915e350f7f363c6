"""Release all: every dispatch that has not ended, of an asset, a site or the fleet, is cancelled."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from der_client import AsyncHeadendClient, HeadendError
from der_client.models import Dispatch
from der_client.parts import has_part
from der_console.reasons import told
from der_console.targets import Target
from der_core.lifecycle import FINAL_STATES, State

_AT_ONCE = 8
_CONFIRMED_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Released:
    """What came of it: how many are cancelled, how many an agent has yet to confirm, and what went wrong."""

    cancelled: int
    unconfirmed: int
    problems: Sequence[str]


async def open_dispatches(headend: AsyncHeadendClient, target: Target | None) -> dict[str, Dispatch]:
    """The dispatches of a target, or of the fleet, that have not ended, by id; of an asset also those of its site.

    Raises:
        HeadendError: nobody answers.
    """
    site_id, asset_id = (target.site_id, target.asset_id) if target else (None, None)
    found = headend.open_dispatches(site_id=site_id, asset_id=asset_id)
    return {record["id"]: record async for record in found if asset_id is None or has_part(record, asset_id)}


def of_target(found: Mapping[str, Dispatch], target: Target | None) -> list[str]:
    """Which of them to cancel: of an asset those of itself alone, for one of its site commands others too."""
    asset_id = target.asset_id if target else None
    return [id_ for id_, record in found.items() if asset_id in {None, record["asset_id"]}]


def question(found: Mapping[str, Dispatch], target: Target | None) -> str:
    """What would happen, in words."""
    records = [found[id_] for id_ in of_target(found, target)]
    where = f"at {target.name}" if target else "in the whole fleet"
    left = len(found) - len(records)
    also = f" It stays part of {left:,} site dispatch{'' if left == 1 else 'es'}." if left else ""
    if not records:
        return f"Nothing is in force or waiting {where}{' alone' if left else ''}.{also}"
    active = sum(record["state"] == State.ACTIVE for record in records)
    waiting = len(records) - active
    parts = [f"{active:,} in force"] * bool(active) + [f"{waiting:,} on their way or waiting"] * bool(waiting)
    count = f"{len(records):,} dispatch{'' if len(records) == 1 else 'es'} {where}"
    rest = "What nothing else commands returns to rest (0 MW; PV and wind run free)."
    return f"{count} will be cancelled: {' and '.join(parts)}. {rest}{also}"


async def release(
    headend: AsyncHeadendClient, ids: Sequence[str], progress: Callable[[int], None]
) -> Released:
    """Cancel these; ``progress`` is told of how many it is known what came of them."""
    loop, gate, done = asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE), 0
    records: dict[str, Dispatch] = {}
    problems: set[str] = set()

    async def cancel(id_: str, until_s: float) -> None:
        nonlocal done
        async with gate:
            try:
                records[id_] = await headend.cancel(id_, timeout_s=max(until_s - loop.time(), 0.0))
                if not _ended(records[id_]):
                    return
            except HeadendError as error:
                problems.add(told(error))
        done += 1
        progress(done)

    async def cancel_all(ids: Iterable[str], *, within_s: float) -> None:
        until_s = loop.time() + within_s
        async with asyncio.TaskGroup() as tasks:
            for id_ in ids:
                tasks.create_task(cancel(id_, until_s), name=f"console release {id_}")

    # All are told to stop before any agent is waited for: one that is away must not hold up the others.
    await cancel_all(ids, within_s=0.0)
    unconfirmed = [id_ for id_, record in records.items() if not _ended(record)]
    await cancel_all(unconfirmed, within_s=_CONFIRMED_WITHIN_S)
    cancelled = sum(map(_ended, records.values()))
    return Released(cancelled, len(records) - cancelled, sorted(problems))


def outcome(released: Released) -> str:
    """What came of it, in words."""
    text = f"{released.cancelled:,} cancelled"
    if released.unconfirmed:
        text += f", {released.unconfirmed:,} not confirmed by their agents yet"
    return f"{text}." + "".join(f" Not all could be: {problem}" for problem in released.problems)


def _ended(record: Dispatch) -> bool:
    return record["state"] in FINAL_STATES
