"""A box in which a person finds a site or an asset by typing a part of its name."""

from collections.abc import Callable, Sequence

from nicegui.element import Element

from der_console.targets import Target, meant


class TargetBox(Element, component="target_box.js"):
    """``search(typed)`` gives what is offered; ``on_choose`` is called with the target, ``None`` once it is cleared.

    ``on_doubt`` is called as soon as something else is typed, for then nothing is chosen until it is known what is
    meant: what was picked, or what alone fits once the box is left. Without it, that is as if the box was cleared.
    """

    def __init__(
        self,
        label: str,
        *,
        search: Callable[[str], Sequence[Target]],
        on_choose: Callable[[Target | None], object],
        on_doubt: Callable[[], object] | None = None,
        chosen: Target | None = None,
        hint: str = "",
    ) -> None:
        super().__init__()
        self._search = search
        self._offered = {chosen.key: chosen} if chosen else {}
        self._props["label"] = label
        self._props["hint"] = hint
        self._props["options"] = []
        self._props["answered"] = None
        self._props["chosen"] = chosen.name if chosen else ""
        self._props["outcome"] = {"typed": "", "name": "", "problem": ""}
        self.on("search", lambda event: self._offer(event.args))
        self.on("choose", lambda event: on_choose(self._offered.get(event.args)))
        self.on("doubt", lambda _: on_doubt() if on_doubt else on_choose(None), args=[])
        self.on("settle", lambda event: self._settle(event.args, on_choose))

    def _offer(self, typed: str) -> None:
        found = self._search(typed)
        self._offered.update((target.key, target) for target in found)
        self._props["answered"] = typed
        self._props["options"] = [{"key": t.key, "name": t.name, "about": t.about} for t in found]
        self.update()

    def _settle(self, typed: str, on_choose: Callable[[Target | None], object]) -> object:
        """Choose what alone is meant by the text that was left in the box, or say why nothing is."""
        found = meant(self._search(typed), typed)
        target = found[0] if len(found) == 1 else None
        problem = f"Several match “{typed}”: pick one." if found else f"There is no site or asset “{typed}”."
        self._props["outcome"] = {
            "typed": typed,
            "name": target.name if target else "",
            "problem": "" if target else problem,
        }
        self.update()
        return on_choose(target) if target else None
