"""Samples as JSON texts: those of many assets at one moment, or those of one asset at many."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from der_core.assets import AssetType
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


def whose(asset_id: UUID | Text, site_id: UUID, asset_type: AssetType) -> Text:
    """The fields that say of which asset something is."""
    return _WHOSE % (asset_id, site_id, asset_type)


def rating(capacity_mwhr: float, max_mw: float, min_mw: float) -> Text:
    """The fields that say between which bounds an asset works."""
    return _RATING % (capacity_mwhr, max_mw, min_mw)


def samples(
    whose: Sequence[Text],
    ratings: Iterable[Text],
    times: Iterable[str],
    columns: Columns,
    online: Iterable[bool],
) -> list[Text]:
    """One sample for each of ``whose``; everything else, by signal name in ``columns``, is of the same length."""
    unknown = [texts.NULL] * len(whose)
    core = {name: columns.get(name, unknown) for name in CORE_NAMES}
    status = core.pop("status")
    others = {name: column for name, column in columns.items() if name not in CORE_NAMES}
    rows = zip(
        whose,
        times,
        *core.values(),
        ratings,
        status,
        texts.flags(online),
        texts.objects(others, count=len(whose)),
        strict=True,
    )
    return [_SAMPLE % row for row in rows]
