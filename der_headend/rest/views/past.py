"""A page of history as JSON text: samples or buckets of an asset, or buckets of a site."""

from collections.abc import Mapping, Sequence

from der_core.assets import Asset
from der_headend.history import HistoryPage, Resolution, SiteHistoryPage, Values
from der_headend.rest.views import texts
from der_headend.rest.views.moments import moments
from der_headend.rest.views.samples import CORE_NAMES, rating, samples, whose
from der_headend.rest.views.texts import Text

_STATISTICS = ("mean", "min", "max", "last")
_STATES = frozenset({"status"})
_BUCKET = f'{{%s,"timestamp":"%s",{texts.template(*CORE_NAMES)},"signals":%s}}'

_SITE_BUCKET = (
    '{"site_id":"%s","timestamp":"%s","assets":%s,'
    '"current_mw":{"mean":%s},"setpoint_mw":%s,"soc_mwhr":%s,"soc_pct":%s}'
)


def site_history(page: SiteHistoryPage) -> Text:
    """The buckets of a page, newest first."""
    times = moments(page.timestamps_us)
    names = ("current_mw", "setpoint_mw", "soc_mwhr", "soc_pct")
    sums = [texts.values(page.sums[name]) for name in names]
    rows = zip([page.site_id] * len(times), times, page.assets, *sums, strict=True)
    return texts.array(reversed([_SITE_BUCKET % row for row in rows]))


def history(page: HistoryPage) -> Text:
    """The entries of a page, newest first."""
    times = moments(page.timestamps_us)
    entries = _samples if page.resolution is Resolution.RAW else _buckets
    return texts.array(reversed(entries(page.asset, times, page.columns)))


def _samples(asset: Asset, times: Sequence[str], columns: Mapping[str, Mapping[str, Values]]) -> list[Text]:
    last = {name: texts.values(statistics["last"]) for name, statistics in columns.items()}
    unknown = [texts.NULL] * len(times)
    online = [mw != texts.NULL for mw in last.get("current_mw", unknown)]
    ratings = [rating(asset.capacity_mwhr, asset.max_mw, asset.min_mw)] * len(times)
    return samples(_whose(asset, times), ratings, times, last, online)


def _buckets(asset: Asset, times: Sequence[str], columns: Mapping[str, Mapping[str, Values]]) -> list[Text]:
    core = [_in_buckets(name, columns.get(name, {}), len(times)) for name in CORE_NAMES]
    others = {
        name: _in_buckets(name, statistics, len(times))
        for name, statistics in columns.items()
        if name not in CORE_NAMES
    }
    rows = zip(_whose(asset, times), times, *core, texts.objects(others, count=len(times)), strict=True)
    return [_BUCKET % row for row in rows]


def _whose(asset: Asset, times: Sequence[str]) -> list[Text]:
    return [whose(asset.id, asset.site_id, asset.asset_type)] * len(times)


def _in_buckets(name: str, statistics: Mapping[str, Values], count: int) -> list[Text]:
    """What is known of a signal in each bucket."""
    if not statistics:
        return [texts.encoded(dict.fromkeys(("last",) if name in _STATES else _STATISTICS))] * count
    filled = texts.template(*statistics)
    return [f"{{{filled}}}" % row for row in zip(*map(texts.values, statistics.values()), strict=True)]
