"""What a frame costs from the link to the rows for COPY, counted: nothing for each sample, little for each frame.

A loop over samples shows here long before it shows in a benchmark.
"""

import gc
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import numpy as np

from der_core.assets import Inventory, Site
from der_core.registration import RegisteredAsset
from der_core.signals import CORE_SIGNALS
from der_headend.agents import Session
from der_headend.ports import Batch
from der_headend.store.postgres import samples
from der_headend.store.postgres.catalogue import Catalogue
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import encode_frame, state_signals
from kit.calls import Cost, cost_of
from kit.headend import NotingLink, World, battery, gateway

STATES = state_signals(CORE_SIGNALS)

CALLS_PER_FRAME, OBJECTS_PER_FRAME, CALLS_PER_COMMIT = 135, 15, 350
"""A little more than it took when this was written, from the message to the turn in which its agent is told: 126, 10
and 279; those of a commit are mostly array operations."""


class Copying:
    """A journal that makes the rows for COPY and lets go of them."""

    def __init__(self, assets: int) -> None:
        self.catalogue = Catalogue(
            inventory=Inventory([], []), states={"status": list(CORE_SIGNALS[4].states)}
        )
        self.catalogue.keys = np.arange(assets, dtype=np.int32)
        self.sizes: list[int] = []

    async def commit(self, batch: Batch) -> None:
        for rows in samples.gathered(batch.rows, self.catalogue.keys):
            self.sizes.append(sum(record.shape[0] for record in samples.encode(rows, self.catalogue)))

    async def mark(self, spool_id: UUID) -> int:
        return 0


class Path:
    """A headend's inner parts for some agents of ``assets`` assets each, fed as the gRPC server feeds them."""

    def __init__(self, *, agents: int, assets: int) -> None:
        sites = [Site(UUID(int=n), f"site {n}", "") for n in range(agents)]
        members = {
            s.id: [battery(UUID(int=s.id.int << 64 | n), "", s.id, 1.0, 1.0) for n in range(assets)]
            for s in sites
        }
        self.journal = Copying(agents * assets)
        self.world = World(
            journal=self.journal, inventory=Inventory(sites, [a for mine in members.values() for a in mine])
        )
        world = self.world
        self.link = world.link
        self.sessions = [self._session(site, [a.id for a in members[site.id]]) for site in sites]
        self.assets = assets
        self.seq = 0

    def _session(self, site: Site, asset_ids: list[UUID]) -> Session:
        registration = replace(
            gateway(agent_id=str(site.id)),
            site_id=site.id,
            assets=tuple(
                RegisteredAsset(id=a, name="", capacity_mwhr=1.0, max_mw=1.0, min_mw=-1.0) for a in asset_ids
            ),
        )
        self.world.ingest._marks.resolve(registration.spool_id, 0)
        return self.world.sessions.open(registration, peer="", link=NotingLink())

    def tick(self) -> list[tuple[Session, bytes]]:
        """A frame of each agent, as it comes."""
        self.seq += 1
        self.world.clock.advance(1.0)
        now_us = int(self.world.clock.now().timestamp() * 1e6)
        columns = {place: [float(place % 4)] * self.assets for place in range(len(CORE_SIGNALS))}
        frame = encode_frame(now_us, columns, STATES, None)
        record = pb.Uplink(record=pb.Record(seq=self.seq, frame=frame)).SerializeToString()
        return [(session, record) for session in self.sessions]

    def take(self, received: list[tuple[Session, bytes]]) -> None:
        """What the servicer does with them, and the reading and committing that follows."""
        for session, data in received:
            self.link._take(session, data)
        flushing = self.world.ingest.flush()
        with suppress(StopIteration):  # nothing in it has to wait
            flushing.send(None)
            raise AssertionError


def cost_of_tick(*, agents: int, assets: int) -> Cost:
    """What a frame of each agent costs together."""
    path = Path(agents=agents, assets=assets)
    path.take(path.tick())
    received = path.tick()
    gc.collect()
    return cost_of(lambda: path.take(received))


def test_what_a_frame_costs_does_not_depend_on_its_size() -> None:
    small, large = cost_of_tick(agents=2, assets=100), cost_of_tick(agents=2, assets=1000)
    assert large.calls == small.calls
    assert large.objects <= small.objects + 20


def test_a_frame_more_costs_a_few_calls_and_no_array_operations() -> None:
    few, many = cost_of_tick(agents=20, assets=1), cost_of_tick(agents=60, assets=1)
    calls_per_frame = (many.calls - few.calls) / 40
    assert calls_per_frame <= CALLS_PER_FRAME
    assert (many.objects - few.objects) / 40 <= OBJECTS_PER_FRAME
    assert few.calls - 20 * calls_per_frame <= CALLS_PER_COMMIT


def test_a_commit_is_one_copy_of_all_rows() -> None:
    path = Path(agents=200, assets=30)
    path.take(path.tick())
    assert path.journal.sizes == [6000]
    assert path.world.ingest.rows_stored == 6000
