"""The console as an ASGI application, to be served by a program of its own or by the headend.

NiceGUI is one per process, so there is one console per process.
"""

import asyncio
import logging
from pathlib import Path

from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from nicegui import app as nicegui_app
from nicegui import ui
from nicegui.slot import Slot
from starlette.types import ASGIApp

from der_client import AsyncHeadendClient
from der_console import pages
from der_console.console import Console
from der_console.turns import AT_ONCE
from der_core.freshness import STALE_AFTER_S

_STATIC = Path(__file__).parent / "static"
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#12324a"/>'
    '<path d="M18 4 8 18h6l-1 10 11-15h-7z" fill="#6ee7d8"/></svg>'
)


_prune_stacks = Slot.prune_stacks


async def _prune_stacks_if_any() -> None:
    """NiceGUI's own, every ten seconds, goes through all tasks of the loop even if there is nothing to prune.

    In the headend that is a task for each agent, and 10,000 of them take it 50 ms.
    """
    if Slot.stacks:
        await _prune_stacks()


def create_app() -> ASGIApp:
    """What serves ``/``, ``/ui/…`` and ``/_nicegui…``; its pages are there while ``run`` runs."""
    Slot.prune_stacks = _prune_stacks_if_any  # type: ignore[method-assign]  # there is no setting for it
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would tell of everything that the hub asks
    app = FastAPI(openapi_url=None)
    ui.run_with(
        app,
        title="DER Fleet",
        favicon=_ICON,
        dark=None,
        language="en-US",
        tailwind=False,
        binding_refresh_interval=None,
        reconnect_timeout=20.0,
        show_welcome_message=False,
        gzip_middleware_factory=lambda inner: GZipMiddleware(inner, minimum_size=1024, compresslevel=1),
    )
    nicegui_app.add_static_files("/ui/static", _STATIC)
    version = max(int(file.stat().st_mtime) for file in _STATIC.iterdir())
    ui.add_head_html(
        f'<script src="/ui/static/console.js?{version}" data-stale-after="{STALE_AFTER_S:g}"></script>'
        f'<link rel="stylesheet" href="/ui/static/console.css?{version}">',
        shared=True,
    )
    return app


def ask(headend_url: str) -> AsyncHeadendClient:
    """What the console asks the headend at ``headend_url`` with.

    Raises:
        ValueError: it is not an http or https URL.
    """
    return AsyncHeadendClient(headend_url, page=AT_ONCE)


async def run(headend_url: str) -> None:
    """Serve the pages, asking the headend at ``headend_url``, until cancelled."""
    await show(ask(headend_url))


async def show(client: AsyncHeadendClient) -> None:
    """Serve the pages, asking with ``client``, until cancelled; then it is closed."""
    async with client as headend:
        console = Console(headend, url=headend.base_url)
        pages.register(console)
        async with nicegui_app.router.lifespan_context(nicegui_app):
            try:
                await asyncio.Event().wait()
            finally:
                await console.topics.close()
