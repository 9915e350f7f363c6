"""The button that releases everything, behind a question that says how much that is."""

from der_client import HeadendError
from der_console import targets
from der_console.console import Console
from der_console.parts.confirm import Confirm
from der_console.parts.elements import button
from der_console.parts.message import Message
from der_console.parts.target_box import TargetBox
from der_console.reasons import told
from der_console.releasing import of_target, open_dispatches, outcome, question, release
from der_console.targets import Target


class ReleaseAll:
    """Cancels every dispatch that has not ended, of the fleet, a site or an asset; ``message`` says what came of it."""

    def __init__(self, console: Console, message: Message) -> None:
        self._console = console
        self._message = message
        self._target: Target | None = None
        self._doubtful = False
        self._asked: object = None
        self._found: list[str] = []
        button("Release all …", self._open, kind="plain")
        self._confirm = Confirm("Release all", yes="Release", no="Keep them", on_yes=self._release)
        with self._confirm:
            TargetBox(
                "Where",
                search=lambda typed: targets.search(console.hub.picture, typed),
                on_choose=self._chosen,
                on_doubt=self._doubted,
                hint="In the whole fleet",
            )

    async def _open(self) -> None:
        self._confirm.ask()
        await self._count()

    async def _chosen(self, target: Target | None) -> None:
        self._target, self._doubtful = target, False
        await self._count()

    def _doubted(self) -> None:
        """Release nothing, least of all the whole fleet, while it is not known where."""
        self._doubtful, self._asked, self._found = True, None, []
        self._confirm.say("Choose where, or clear the box for the whole fleet.", possible=False)

    async def _count(self) -> None:
        """Say how many there are; nothing can be released before that is known."""
        if self._doubtful:
            self._doubted()
            return
        asked = self._asked = object()
        self._found = []
        self._confirm.say("Counting …", possible=False)
        try:
            found = await open_dispatches(self._console.headend, self._target)
        except HeadendError as error:
            self._confirm.say(told(error), possible=False)
            return
        if asked is not self._asked:
            return  # the box has been changed meanwhile
        self._found = of_target(found, self._target)
        self._confirm.say(question(found, self._target), possible=bool(self._found))

    async def _release(self) -> None:
        ids, self._found = self._found, []
        done = await release(
            self._console.headend, ids, lambda n: self._message.notice(f"Releasing: {n:,} of {len(ids):,} …")
        )
        say = self._message.problem if done.problems else self._message.done
        say(outcome(done))
