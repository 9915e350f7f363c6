"""The demo from its first process to its last: start, introduce, watch, stop.

One event loop and no threads: children are forked from the main thread, which the kernel's "die with the parent" is
about, and the few questions to the headend are short enough to be asked in between.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from der_cli.assets import show_fleet
from der_cli.audience import watched
from der_cli.child import Child, stop_all
from der_cli.demo_plan import Launch, Plan
from der_cli.demo_view import LogView, agent_ended, complain, started, try_next
from der_cli.screen import err, out, print_json_line, words
from der_client import HeadendClient, HeadendError
from der_core.assets import Site

_FAILED = 1
_READY_WITHIN_S = 30.0
_VALUES_WITHIN_S = 5.0
_ASK_EVERY_S = 0.2
_ANSWER_WITHIN_S = 2.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Failed(Exception):
    """The demo can't go on; the text says why, ``last_lines`` are the last words of the process that failed."""

    def __init__(self, why: str, child: Child) -> None:
        super().__init__(why)
        self.last_lines = tuple(child.last_lines)


class _Stopped(Exception):
    """The operator wants it to end."""


class Demo:
    """The processes from the first to the last moment.

    With ``as_json`` stdout has one line of JSON, once it is ready, and stderr what is said to people.
    """

    def __init__(self, made: Plan, *, now: Callable[[], datetime], as_json: bool = False) -> None:
        self._plan = made
        self._now = now
        self._as_json = as_json
        self._to = err if as_json else out
        self._children: list[Child] = []
        self._logs = LogView([made.headend.name, *(agent.name for agent in made.agents)], to=self._to)
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self, duration_s: float | None) -> int:
        """Start everything, show it, wait for the end, stop everything; the exit code."""
        with (
            watched(self._stop.set),
            self._signals(),
            HeadendClient(self._plan.url, timeout_s=_ANSWER_WITHIN_S) as headend,
        ):
            try:
                await self._start(headend)
                await self._introduce(headend)
                await self._watch(duration_s)
                code = 0
            except _Stopped:
                code = 0
            except _Failed as failed:
                complain(str(failed), () if self._logs.released else failed.last_lines)
                code = _FAILED
            finally:
                await self._end()
        return code

    async def _start(self, headend: HeadendClient) -> None:
        """Headend first, so that no agent has to try twice; then the agents, all at once."""
        deadline = asyncio.get_running_loop().time() + _READY_WITHIN_S
        server = await self._launch(self._plan.headend)
        if not await self._until(headend.ready, deadline):
            raise _Failed(f"the headend was not ready within {_READY_WITHIN_S:g} s", server)
        started(server.name, f"serves REST at {self._plan.url} and agents at {self._plan.grpc}", to=self._to)
        gateways = [await self._launch(agent) for agent in self._plan.agents]
        for site, gateway in zip(self._plan.sites, gateways, strict=True):
            if not await self._until(partial(_connected, headend, site), deadline):
                raise _Failed(f"{words(site.name)} did not connect within {_READY_WITHIN_S:g} s", gateway)
            assets = len(self._plan.inventory.assets_of(site.id))
            started(site.name, f"connected with {assets} assets", to=self._to)

    async def _introduce(self, headend: HeadendClient) -> None:
        """The fleet, with its first values if they come soon, and what to try."""
        deadline = asyncio.get_running_loop().time() + _VALUES_WITHIN_S
        await self._until(lambda: all(asset["updated_at"] for asset in headend.assets()), deadline)
        if self._as_json:
            print_json_line(self._plan.as_json())
        else:
            out().print()
            show_fleet(list(headend.assets()), now=self._now())
            try_next(self._plan)
        self._logs.release()

    async def _watch(self, duration_s: float | None) -> None:
        """Return after ``duration_s``, or when told to stop. An agent that ends before is told, the headend may not."""
        ends = {asyncio.create_task(each.wait(), name=f"watch {each.name}"): each for each in self._children}
        stop = asyncio.create_task(self._stop.wait(), name="watch for stop")
        try:
            async with asyncio.timeout(duration_s):
                while not stop.done():
                    await asyncio.wait([*ends, stop], return_when=asyncio.FIRST_COMPLETED)
                    for task in [each for each in ends if each.done()]:
                        self._go_on_without(ends.pop(task))
        except TimeoutError:
            return
        finally:
            for watching in (*ends, stop):
                watching.cancel()
            await asyncio.gather(*ends, stop, return_exceptions=True)

    def _go_on_without(self, child: Child) -> None:
        """The demo shows what becomes of a fleet of which an agent is gone; without its headend there is nothing."""
        if child is self._children[0]:
            raise _ended(child)
        agent_ended(child.name, child.how_it_ended, self._plan.agents[self._children.index(child) - 1])

    async def _end(self) -> None:
        """The agents first: with the headend still there they take their leave, and do not look for it."""
        headend, agents = self._children[:1], self._children[1:]
        running = [child for child in self._children if child.exit_code is None]
        killed = [child for group in (agents, headend) for child in await stop_all(group, self._hurry)]
        for child in killed:
            err().print(f"{words(child.name)} did not end when asked to and was killed.", soft_wrap=True)
        if running:
            self._to().print(f"Stopped: {', '.join(words(child.name) for child in running)}.", soft_wrap=True)

    async def _launch(self, launch: Launch) -> Child:
        self._check()
        child = await Child.start(launch, lambda child, text: self._logs.line(child.name, text))
        self._children.append(child)
        return child

    async def _until(self, condition: Callable[[], bool], deadline: float) -> bool:
        """Whether the condition came about in time; a headend that does not answer yet is no reason to give up."""
        while True:
            self._check()
            with contextlib.suppress(HeadendError):
                if condition():
                    return True
            if asyncio.get_running_loop().time() > deadline:
                return False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _ASK_EVERY_S)

    def _check(self) -> None:
        """Leave if the operator wants to, or if a process has ended by itself."""
        if self._stop.is_set():
            raise _Stopped
        for child in self._children:
            if child.exit_code is not None:
                raise _ended(child)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for signum in _STOP_SIGNALS:
            loop.add_signal_handler(signum, self._asked_to_stop, signum)
        try:
            yield
        finally:
            for signum in _STOP_SIGNALS:
                loop.remove_signal_handler(signum)

    def _asked_to_stop(self, signum: signal.Signals) -> None:
        """The first signal stops, a second one does not wait; but a closed terminal may say so more than once."""
        if not self._stop.is_set():
            self._stop.set()
            self._to().print("Stopping …")
        elif signum != signal.SIGHUP:
            self._hurry.set()


def _ended(child: Child) -> _Failed:
    return _Failed(f"{words(child.name)} {child.how_it_ended}; the rest is being stopped", child)


def _connected(headend: HeadendClient, site: Site) -> bool:
    return any(agent["connected"] and agent["site_id"] == str(site.id) for agent in headend.agents())
