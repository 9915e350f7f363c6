"""When Python looks for garbage in cycles, in a program most of whose objects live as long as an agent's session.

Each message that an agent sends is awaited by some thirty objects of grpc's, which are new with every message. So what
is looked through is mostly those, thirty for each agent, and the more agents there are the less often that may be done:
with ten thousand it takes a quarter of a second, in which everything else has to wait.
"""

import asyncio
import gc
from collections.abc import Callable

_YOUNG, _YOUNG_PER_AGENT = 2_000, 10
"""Of so many new objects the young ones are looked through. What HTTP leaves behind is freed there, some 60 objects for
a request; 20,000 at once take 25 ms. With ten thousand agents it is a longer stop, and the more rare."""

_OLDER, _OLDEST = 50, 80
_LOOK_S = 5.0


def begin() -> None:
    """Set the collector up for loading: nothing of a million assets is garbage."""
    gc.set_threshold(_YOUNG, _OLDER, _OLDEST)


def loaded() -> None:
    """What there is by now stays to the end: the collector need not look at it again."""
    gc.freeze()


async def keep_pace(agents: Callable[[], int]) -> None:
    """Collect the less often the more agents are connected, for as long as the headend runs."""
    while True:
        gc.set_threshold(max(_YOUNG, _YOUNG_PER_AGENT * agents()), _OLDER, _OLDEST)
        await asyncio.sleep(_LOOK_S)
