"""What a person is told about what they have just done."""

from nicegui.elements.mixins.text_element import TextElement

from der_console.parts.states import shown


class Message(TextElement):
    """A line that is read out when it changes, and not there while there is nothing to say."""

    def __init__(self) -> None:
        super().__init__(tag="p", text="")
        self._props["role"] = "alert"
        shown(self, yes=False)

    def problem(self, text: str) -> None:
        """Something went wrong."""
        self._say(text, "problem")

    def done(self, text: str) -> None:
        """It went well."""
        self._say(text, "notice done")

    def notice(self, text: str) -> None:
        """Something to know."""
        self._say(text, "notice")

    def hide(self) -> None:
        """Nothing any more."""
        shown(self, yes=False)

    def _say(self, text: str, kind: str) -> None:
        self.classes(replace=kind)
        self.set_text(text)
        shown(self, yes=True)
