"""Samples as JSON texts: those of many assets at one moment, or those of one asset at many."""

from collections.abc import Iterable, Mapping, Sequence

from der_core.assets import Asset
from der_core.signals import CORE_SIGNALS
from der_headend.rest.views import texts
from der_headend.rest.views.texts import Text

CORE_NAMES = tuple(signal.name for signal in CORE_SIGNALS)
"""The signals that are fields of their own; the others go under ``signals``."""

Columns = Mapping[str, Sequence[Text]]

_WHOSE = '"asset_id":"%s","site_id":"%s","asset_type":"%s"'
_RATING = '"capacity_mwhr":%r,"max_mw":%r,"min_mw":%r'
_MEASURED = texts.template(*(name for name in CORE_NAMES if name != "status"))
_SAMPLE = f'{{%s,"timestamp":"%s",{_MEASURED},%s,"status":%s,"online":%s,"signals":%s}}'


def whose(asset: Asset) -> Text:
    """The fields that say of which asset something is."""
    return _WHOSE % (asset.id, asset.site_id, asset.asset_type)


def samples(
    assets: Sequence[Asset], times: Sequence[str], columns: Columns, online: Iterable[bool]
) -> list[Text]:
    """A sample of each of ``assets``; what else has ``columns``, by signal name, is of the same length."""
    unknown = [texts.NULL] * len(assets)
    core = {name: columns.get(name, unknown) for name in CORE_NAMES}
    status = core.pop("status")
    others = {name: column for name, column in columns.items() if name not in CORE_NAMES}
    rows = zip(
        [whose(asset) for asset in assets],
        times,
        *core.values(),
        [_RATING % (asset.capacity_mwhr, asset.max_mw, asset.min_mw) for asset in assets],
        status,
        texts.flags(online),
        texts.objects(others, count=len(assets)),
        strict=True,
    )
    return [_SAMPLE % row for row in rows]
