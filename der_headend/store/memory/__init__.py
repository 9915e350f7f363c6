"""The store of a headend without a database: recent history in memory, bounded in every direction.

It forgets everything when the program ends. What it keeps, and how much, is said in each module; the contract suite
that it shares with the PostgreSQL store is in ``tests/contract``.
"""

from der_headend.store.memory.store import MemoryStore

__all__ = ["MemoryStore"]
