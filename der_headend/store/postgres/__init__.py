"""The store of a headend with a database: PostgreSQL 15 or newer, behind the same ports as the memory store.

    store       puts the parts together, opens and closes them, empties the tables; runs the upkeep
    connection  the pool, its timeouts, and the one place where asyncpg's errors become ours
    opening     the first contact: retries that show, and a plain line for whatever the operator must mend
    migrations  brings the schema up to date, one program at a time
    journal     a batch in one transaction, stored once whatever becomes of the connection
    marks       how far each spool is stored, for many spools in one query
    samples     into binary COPY and back into columns
    telemetry   history of assets and, with ``site_history``, of sites
    catalogue   what the database's keys, places and codes mean; the inventory
    partitions  the room for them, as ``layout`` says for the size of the fleet, and its indexes
    rollups     the buckets: added up in memory by ``tally`` or made from samples
    dispatches, events, sessions, heartbeats   one resource each; their SQL is in ``sql/`` by name

All SQL has names and lives in ``sql/*.sql`` and ``migrations/versions/*.sql``.
"""

from der_headend.store.postgres.store import PostgresStore, Retention

__all__ = ["PostgresStore", "Retention"]
