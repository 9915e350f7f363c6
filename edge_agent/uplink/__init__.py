"""The one connection of an agent: gRPC to the headend, opened from this side.

grpc's C core tells its developers' news (a GOAWAY, say) straight to stderr, past our logs. How much, it reads from the
environment when it is first imported, so this has to be said here, before any module of this package imports it.
"""

import os

os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
