"""Every sample of a simulated fleet is acknowledged, dropped or waiting, and counted once."""

import random
from collections import Counter

from der_fleet.spool import MemorySpool
from der_fleet.tally import Tally
from edge_agent.spool.tally import OVERHEAD_BYTES

BODY = bytes(100)


def test_processes_add_up() -> None:
    one = Tally(
        agents=2, generated=10, acknowledged=7, dropped=1, lag_s=0.5, refused=Counter(unknown_asset=1)
    )
    other = Tally(
        agents=3, generated=5, acknowledged=5, lag_s=0.2, max_lag_s=9.0, refused=Counter(unknown_asset=2)
    )
    both = sum((one, other), Tally())
    assert (both.agents, both.generated, both.acknowledged, both.dropped) == (5, 15, 12, 1)
    assert both.waiting == 2
    assert (both.lag_s, both.max_lag_s) == (0.5, 9.0)
    assert both.refused == {"unknown_asset": 3}


def test_spool_drops_the_oldest_beyond_its_bytes_and_counts_samples() -> None:
    tally = Tally()
    spool = MemorySpool(max_bytes=3 * (len(BODY) + OVERHEAD_BYTES), tally=tally)
    for samples in (1, 2, 3, 4, 5):
        spool.append(BODY, samples, at_s=float(samples))
    assert (spool.first_seq, spool.last_seq, len(spool), spool.dropped) == (3, 5, 3, 2)
    assert (tally.generated, tally.dropped, tally.records_dropped) == (15, 3, 2)
    assert (spool.oldest_s, spool.record(4).samples) == (3.0, 4)


def test_acknowledgement_takes_everything_up_to_its_number_once() -> None:
    tally = Tally()
    spool = MemorySpool(max_bytes=10_000, tally=tally)
    for samples in (1, 2, 3):
        spool.append(BODY, samples, at_s=10.0)
    spool.acknowledge(2, 11.5)
    spool.acknowledge(1, 99.0)
    assert (tally.acknowledged, tally.records_acknowledged, tally.waiting) == (3, 2, 3)
    assert tally.max_lag_s == 1.5
    spool.acknowledge(3, 11.0)
    assert (spool.held_bytes, spool.oldest_s, spool.first_seq, spool.last_seq) == (0, None, 4, 3)


def test_ledger_is_whole_after_any_history() -> None:
    rng = random.Random(7)
    tally = Tally()
    spool = MemorySpool(max_bytes=20 * (len(BODY) + OVERHEAD_BYTES), tally=tally)
    for step in range(2000):
        if rng.random() < 0.95:
            spool.append(BODY, rng.randrange(100), at_s=step)
        else:
            spool.acknowledge(rng.randint(spool.first_seq - 3, spool.last_seq), now_s=step)
    waiting = sum(spool.record(seq).samples for seq in range(spool.first_seq, spool.last_seq + 1))
    assert tally.dropped
    assert tally.acknowledged + tally.dropped + waiting == tally.generated
    assert tally.records_acknowledged + tally.records_dropped + len(spool) == tally.records_generated
