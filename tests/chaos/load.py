"""Operators who never rest: dispatches over REST to random assets and sites, some repeated, some taken back.

A request that gets no answer, or a 5xx, is made again with the same id until there is one, as a client should. So it
is known of each dispatch whether it was accepted.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from chaos.rig import Rig
from chaos.stored import microseconds

THREADS = 3
_AGAIN_AFTER_S = 0.3
_LIMIT_S = 120.0
_NOT_STORED_YET = "will be stored when it is back"

Order = dict[str, Any]


class Load:
    """``accepted``: the dispatches that were answered with 202, and when they were first submitted (microseconds).

    ``warned``: those of them whose answer said that they were not stored yet. ``refused``: by code, how many were not.
    """

    def __init__(self, rig: Rig, *, seed: int, per_s: float) -> None:
        self.accepted: dict[str, int] = {}
        self.warned: set[str] = set()
        self.refused: Counter[str] = Counter()
        self.unanswered = 0
        self._rig = rig
        self._pause_s = THREADS / per_s
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(
                target=self._order_about,
                args=(random.Random(f"{seed}:load:{n}"),),
                name=f"operator-{n}",
                daemon=True,
            )
            for n in range(THREADS)
        ]

    def start(self) -> None:
        """Let the operators begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let them finish; what they have asked is answered then."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def submit(self, order: Order) -> None:
        """Send an order until it is answered."""
        answer = self._insist("POST", "/dispatch", json=order)
        if answer is None:
            return
        if answer.status_code != httpx.codes.ACCEPTED:
            with self._lock:
                self.refused[answer.json().get("code", str(answer.status_code))] += 1
            return
        record = answer.json()
        with self._lock:
            self.accepted.setdefault(
                order["id"], microseconds(datetime.fromisoformat(record["submitted_at"]))
            )
            if any(_NOT_STORED_YET in warning for warning in record["warnings"]):
                self.warned.add(order["id"])

    def cancel(self, dispatch_id: str) -> None:
        """Take a dispatch back; whether that is confirmed is seen later."""
        self._insist("DELETE", f"/dispatch/{dispatch_id}", params={"timeout_s": 0.1})

    def _order_about(self, chance: random.Random) -> None:
        mine: list[Order] = []
        while not self._stopping.wait(chance.expovariate(1 / self._pause_s)):
            what = chance.random()
            if mine and what < 0.1:
                self.submit(chance.choice(mine[-10:]))
            elif mine and what < 0.2:
                self.cancel(chance.choice(mine[-5:])["id"])
            else:
                mine.append(self._new_order(chance))
                self.submit(mine[-1])

    def _new_order(self, chance: random.Random) -> Order:
        order: Order = {
            "id": str(UUID(int=chance.getrandbits(128), version=4)),
            "mw": round(chance.uniform(-50, 50), 6),
            "ttl_s": round(chance.uniform(3, 20), 1),
        }
        if chance.random() < 0.75:
            order["duration_s"] = round(chance.uniform(0.5, 5), 1)
        if chance.random() < 0.7:
            order["asset_id"] = chance.choice(_texts(list(self._rig.inventory.assets)))
        else:
            order["site_id"] = chance.choice(self._rig.sites)
        return order

    def _insist(self, method: str, path: str, **request: Any) -> httpx.Response | None:
        until_s = time.monotonic() + _LIMIT_S
        while time.monotonic() < until_s:
            try:
                answer = self._rig.http.request(method, path, **request)
            except httpx.TransportError:
                time.sleep(_AGAIN_AFTER_S)
                continue
            if not answer.is_server_error:
                return answer
            time.sleep(_AGAIN_AFTER_S)
        with self._lock:
            self.unanswered += 1
        return None


def _texts(ids: Sequence[UUID]) -> list[str]:
    return [str(each) for each in ids]
