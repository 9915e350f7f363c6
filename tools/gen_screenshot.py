"""Make ``docs/images/demo.svg``: a real demo and a real site dispatch, as a terminal shows them.

Starts ``der demo`` under a pseudo-terminal on the default ports, runs ``der dispatch`` and ``der assets``
beside it under others, and has Rich draw all of it. The font that Rich's template would fetch from elsewhere is left
out: the picture names no host but this machine's.
"""

import fcntl
import io
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "images" / "demo.svg"
COLUMNS = 112
_DER = (sys.executable, "-m", "der_cli")
_PLAIN = "\x1b[0m"
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_COMMENTS = re.compile(r"<!--.*?-->", re.DOTALL)


class Terminal:
    """A command under a pseudo-terminal, and what it has shown so far."""

    def __init__(self, *argv: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        env = os.environ | {"TERM": "xterm-256color", "SIM_FAULTS_PER_HOUR": "0"}
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=ROOT)
        os.close(slave)
        self.shown = ""

    def until(self, text: str, deadline_s: float = 60.0) -> None:
        """Read until ``text`` was shown.

        Raises:
            TimeoutError: it was not, in time or before the end.
        """
        end = time.monotonic() + deadline_s
        while text not in self.shown:
            if not self._read(end):
                raise TimeoutError(f"no {text!r} in:\n{self.shown}")

    def rest(self) -> None:
        """Read to the end."""
        while self._read(time.monotonic() + 30.0):
            pass
        self.process.wait()

    def _read(self, end: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(end - time.monotonic(), 0.0))
        try:
            data = os.read(self._master, 65536) if ready else b""
        except OSError:  # how Linux says that the other side is closed
            data = b""
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


def session() -> str:
    """What an operator sees: the demo's start, then a dispatch and its effect in another terminal."""
    demo = Terminal(*_DER, "demo")
    try:
        demo.until("Ctrl-C")
        dispatch = finished("dispatch", "--site", "Gateway-Test", "--mw", "12")
        assets = finished("assets", "--site", "Gateway-Test")
        while "+7.20" not in assets:
            assets = finished("assets", "--site", "Gateway-Test")
    finally:
        demo.process.send_signal(signal.SIGINT)
        demo.rest()
    start = demo.shown.partition("Try next")[0].replace(f"{ROOT}/", "").rpartition("\n\n")[0]
    return (
        f"$ make demo\n{start}\n{_PLAIN}\n"
        f"$ der dispatch --site Gateway-Test --mw 12\n{dispatch}{_PLAIN}\n"
        f"$ der assets --site Gateway-Test\n{assets}"
    )


def finished(*args: str) -> str:
    """What ``der args`` shows."""
    terminal = Terminal(*_DER, *args)
    terminal.rest()
    return terminal.shown


def main() -> None:
    """Write the picture."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(session()))
    drawn = console.export_svg(title="DER Fleet", unique_id="demo")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(_COMMENTS.sub("", _FONTS.sub("", drawn)), encoding="utf-8")


if __name__ == "__main__":
    main()
