"""The asset or the site that a command is about: how it is named on the command line, and how its id is found."""

from typing import Annotated, NamedTuple

import typer

from der_cli.completion import complete_asset, complete_site
from der_cli.names import Known, resolve
from der_client import HeadendClient

AssetOption = Annotated[
    str | None,
    typer.Option("--asset", metavar="NAME|ID", help="Only of this asset.", autocompletion=complete_asset),
]
SiteOption = Annotated[
    str | None,
    typer.Option("--site", metavar="NAME|ID", help="Only of this site.", autocompletion=complete_site),
]


def asset_id_of(client: HeadendClient, text: str, *, option: str = "--asset") -> str:
    """The id of the asset that is meant; raises as ``resolve``."""
    return resolve(
        text,
        lambda: (Known(each["id"], each["name"]) for each in client.assets()),
        what="asset",
        option=option,
    )


def site_id_of(client: HeadendClient, text: str, *, option: str = "--site") -> str:
    """The id of the site that is meant; raises as ``resolve``."""
    return resolve(
        text,
        lambda: (Known(each["id"], each["name"]) for each in client.sites(with_assets=False)),
        what="site",
        option=option,
    )


class Only(NamedTuple):
    """What a list is narrowed to; ``None``: not."""

    asset_id: str | None = None
    site_id: str | None = None


def narrowed(client: HeadendClient, *, asset: str | None, site: str | None) -> Only:
    """The ids of those that were named."""
    return Only(
        asset_id=None if asset is None else asset_id_of(client, asset),
        site_id=None if site is None else site_id_of(client, site),
    )
