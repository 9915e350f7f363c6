"""The console's log: the standard library's, which both of its homes collect."""

import logging

log = logging.getLogger("der_console")
