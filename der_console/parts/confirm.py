"""A question that must be answered before something is done that moves power."""

from collections.abc import Callable

from nicegui.element import Element


class Confirm(Element, component="confirm.js"):
    """A dialog; ``ask`` opens it, ``on_yes`` is called if the person means it. What is put into it stands above."""

    def __init__(self, title: str, *, yes: str, no: str, on_yes: Callable[[], object]) -> None:
        super().__init__()
        self._props["title"] = title
        self._props["what"] = ""
        self._props["yes"] = yes
        self._props["no"] = no
        self._props["possible"] = True
        self.on("yes", lambda _: on_yes(), args=[])

    def say(self, what: str, *, possible: bool = True) -> None:
        """Say what will happen; if it is not ``possible`` the answer can only be no."""
        self._props["what"] = what
        self._props["possible"] = possible
        self.update()

    def ask(self) -> None:
        """Open it."""
        self.run_method("ask")
