"""Which part of a history a list shows."""

from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self

from der_console.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The newest ``limit`` of what is about ``target``; ``None``: about anything. A list adds its own filters."""

    LIST: ClassVar[str]
    MOST: ClassVar[int]

    limit: int
    target: Target | None = None

    @property
    def key(self) -> str:
        """The key of their topic."""
        chosen = {field.name: getattr(self, field.name) for field in fields(self)}
        chosen["target"] = self.target and self.target.key
        return "/".join([self.LIST, *map(str, chosen.values())])

    @property
    def asset_id(self) -> str | None:
        """As the API takes it."""
        return self.target.asset_id if self.target else None

    @property
    def site_id(self) -> str | None:
        """As the API takes it."""
        return self.target.site_id if self.target else None

    def more(self) -> Self:
        """The same, and more of them."""
        return replace(self, limit=min(self.limit * 2, self.MOST))

    def may_be_more(self, found: int) -> bool:
        """Whether there may be more than the ``found``, which can be asked for."""
        return found == self.limit < self.MOST
