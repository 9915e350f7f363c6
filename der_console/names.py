"""Names of sites and assets, for what the API gives by id."""

from collections.abc import Awaitable, Callable

from der_client import AsyncHeadendClient, NotFound
from der_console.hub import Hub


class Names:
    """Looks names up in the picture, and asks the headend for those of a fleet that is too large for it."""

    def __init__(self, hub: Hub, headend: AsyncHeadendClient) -> None:
        self._hub = hub
        self._headend = headend
        self._asked: dict[str, str] = {}

    async def asset(self, asset_id: str) -> str:
        """The name of an asset, or its id if it has gone."""
        known = self._hub.picture.assets.get(asset_id)
        return known["name"] if known else await self._name(asset_id, self._ask_asset)

    async def site(self, site_id: str) -> str:
        """The name of a site, or its id if it has gone."""
        known = self._hub.picture.sites.get(site_id)
        return known["name"] if known else await self._name(site_id, self._ask_site)

    async def _name(self, id_: str, ask: Callable[[str], Awaitable[str]]) -> str:
        if id_ not in self._asked:
            try:
                self._asked[id_] = await ask(id_)
            except NotFound:
                self._asked[id_] = id_
        return self._asked[id_]

    async def _ask_asset(self, asset_id: str) -> str:
        return (await self._headend.asset(asset_id))["name"]

    async def _ask_site(self, site_id: str) -> str:
        return (await self._headend.site(site_id))["name"]
