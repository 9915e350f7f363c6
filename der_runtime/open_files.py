"""How many files a program may have open at once; each connection counts as one."""

import contextlib
import sys

_PLENTY = 1_000_000

if sys.platform == "win32":

    def raise_open_files_limit() -> int:
        """There is no such limit here; a large number."""
        return _PLENTY

else:
    import resource

    def raise_open_files_limit() -> int:
        """Raise the limit as far as the system lets this user (``ulimit -Hn``); returns what it is now."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(ValueError, OSError):  # some systems say "unlimited" and mean less
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        return _PLENTY if soft == resource.RLIM_INFINITY else soft
