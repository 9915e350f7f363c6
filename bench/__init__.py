"""Benchmarks: one command per target, each figure beside its limit, measured in the same run.

Every program runs as a process of its own over loopback, PostgreSQL with fsync on; what was generated is compared with
what is in the database. ``python -m bench --help`` says what there is, ``docs/performance.md`` how to read it.
"""
