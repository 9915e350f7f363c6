"""A chart over time that goes on by itself."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import nicegui.elements.echart  # noqa: F401 - makes ECharts known to the page
from nicegui.element import Element

from der_console.trends import Columns

PARTIAL = "Shaded: not every asset was heard; sums are of the others."
"""Said below a chart of sums."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line. ``look``: what it means, and so its colour; ``low`` and ``high`` are the two edges of a band.

    ``missing`` is no line, but how many assets were not heard: where that is any, the sums are partial and the time is
    shaded.
    """

    name: str
    look: Literal["power", "setpoint", "limit", "soc", "low", "high", "one", "sum", "missing"] = "one"


class Chart(Element, component="chart.js"):
    """Draws ``series`` over time; what comes by ``channel`` is added, and what is older than ``span_s`` goes.

    Power stands at the left, state of charge (``soc``) in percent at the right.
    """

    def __init__(
        self,
        series: Sequence[Series],
        data: Columns,
        *,
        label: str,
        channel: str = "",
        span_s: float | None = None,
    ) -> None:
        super().__init__()
        self.classes("chart")
        self._props["series"] = [asdict(one) for one in series]
        self._props["initial"] = data
        self._props["label"] = label
        self._props["channel"] = channel
        self._props["span"] = span_s

    def show(self, data: Columns, *, span_s: float | None) -> None:
        """Draw other data; ``span_s`` ``None``: they end where they end, nothing is added."""
        self.run_method("show", data, span_s)
