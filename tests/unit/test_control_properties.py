"""Whatever happens in whatever order: what must hold of the control at every moment."""

from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from der_core.lifecycle import State
from edge_agent.decisions import Condition
from kit.control_bench import UNKNOWN, A, B, Bench, C, battery

ASSETS = (A, B, C)
IDS = st.integers(1, 12).map(lambda n: UUID(int=n))
_ORDER = [State.ACKNOWLEDGED, State.ACTIVE]


@dataclass
class Life:
    """Runs a list of steps and checks after each."""

    bench: Bench = field(
        default_factory=lambda: Bench(assets=tuple(battery(a, failsafe_mw=-1.0) for a in ASSETS))
    )
    newest: dict[UUID, UUID] = field(default_factory=dict)

    def check(self) -> None:
        bench = self.bench
        held = bench.control.in_force(bench.now)
        assert len({each.asset_id for each in held}) == len(held)
        for each in held:
            assert bench.parts(each.dispatch_id, each.asset_id)[-1].state is State.ACTIVE
            if each.asset_id not in bench.failures:
                assert bench.setpoints[each.asset_id] == each.mw
        in_force = {(each.dispatch_id, each.asset_id) for each in held}
        lives: dict[tuple[UUID, UUID], list[State]] = {}
        for report in bench.reports:
            for part in report.allocations:
                lives.setdefault((report.dispatch_id, part.asset_id), []).append(part.state)
        for key, states in lives.items():
            assert (states[-1] is State.ACTIVE) == (key in in_force)
            assert states[-1] is State.ACTIVE or states[-1].final
            distinct = list(dict.fromkeys(states))
            assert distinct == sorted(distinct, key=lambda s: _ORDER.index(s) if s in _ORDER else 9)
            assert sum(s.final for s in distinct) <= 1
        applied = [(w.order.dispatch_id, w.asset_id) for w in bench.writes if w.order is not None]
        assert len(applied) == len(set(applied))


STEP = st.one_of(
    st.tuples(
        st.just("command"),
        IDS,
        st.floats(-50, 50),
        st.lists(st.sampled_from([*ASSETS, UNKNOWN]), min_size=1, max_size=4),
        st.booleans(),
        st.one_of(st.none(), st.floats(0.1, 120)),
        st.sampled_from([0.0, 300.0]),
    ),
    st.tuples(st.just("cancel"), IDS, st.lists(st.sampled_from(ASSETS), max_size=2)),
    st.tuples(st.just("time"), st.floats(0, 100)),
    st.tuples(st.just("link"), st.booleans()),
    st.tuples(st.just("condition"), st.sampled_from(ASSETS), st.booleans(), st.sampled_from([None, 10.0, 50.0, 90.0])),
    st.tuples(st.just("failure"), st.sampled_from(ASSETS), st.sampled_from([None, True, False])),
)  # fmt: skip


def live(steps: list[tuple[object, ...]]) -> Life:
    """A life of these steps, checked after each."""
    life = Life()
    bench = life.bench
    for step in steps:
        match step:
            case (
                "command",
                UUID() as dispatch_id,
                float() as mw,
                list() as ids,
                bool() as site_wide,
                d,
                float() as ttl,
            ):
                asset_ids = ids if site_wide else ids[:1]
                duration_s = d if isinstance(d, float) else None
                bench.command(
                    dispatch_id, mw, *asset_ids, site_wide=site_wide, duration_s=duration_s, expires_in_s=ttl
                )
            case ("cancel", UUID() as dispatch_id, list() as ids):
                bench.cancel(dispatch_id, *ids)
            case ("time", float() as seconds):
                bench.pass_time(seconds)
            case ("link", True):
                bench.registered()
            case ("link", False):
                bench.link_lost()
            case ("condition", UUID() as asset_id, bool() as online, soc):
                bench.conditions[asset_id] = Condition(online, soc if isinstance(soc, float) else None)
            case ("failure", UUID() as asset_id, None):
                bench.failures.pop(asset_id, None)
            case ("failure", UUID() as asset_id, bool() as unchanged):
                bench.failures[asset_id] = ("driver_error", unchanged)
        life.check()
    return life


@settings(deadline=None, max_examples=200)
@given(st.lists(STEP, max_size=40))
def test_whatever_happens(steps: list[tuple[object, ...]]) -> None:
    life = live(steps)
    bench = life.bench
    # In the end, when all drivers work again and the headend stays away, everything comes to rest.
    bench.failures.clear()
    bench.link_lost()
    bench.pass_time(1000)
    life.check()
    assert bench.in_force() == {}
    assert all(setpoint in {None, -1.0} for setpoint in bench.setpoints.values())


@settings(deadline=None, max_examples=200)
@given(st.lists(STEP, max_size=40))
def test_stop_leaves_every_asset_safe_at_any_moment(steps: list[tuple[object, ...]]) -> None:
    life = live(steps)
    bench = life.bench
    bench.stop()
    life.check()
    assert bench.in_force() == {}
    safe = {None, -1.0}
    assert all(bench.setpoints[a] in safe for a in bench.setpoints if a not in bench.failures)
    bench.failures.clear()
    bench.stop()
    life.check()
    assert all(setpoint in safe for setpoint in bench.setpoints.values())
    assert bench.control.next_deadline_s() is None
