-- name: lock
select pg_advisory_xact_lock(244851200001)

-- name: existing
select
    c.relname::text as name,
    bounds[1]::timestamptz as begins,
    bounds[2]::timestamptz as ends,
    exists (
        select from pg_index as x
        join pg_class as n on n.oid = x.indexrelid
        where x.indrelid = c.oid and x.indisvalid and n.relname = c.relname || '_of_asset'
    ) as indexed
from pg_inherits as i
join pg_class as c on c.oid = i.inhrelid
cross join regexp_match(pg_get_expr(c.relpartbound, c.oid), $$FROM \('(.+)'\) TO \('(.+)'\)$$) as bounds
where i.inhparent = $1::regclass
order by begins

-- Attaching, unlike "create table ... partition of", does not wait for those who read or write the table. So a
-- partition is made, indexed and attached.
-- name: create
create table {partition} (like {table} including all)

-- name: attach
alter table {table} attach partition {partition} for values from ('{begins}') to ('{ends}')

-- Rows only ever come: to vacuum a hot partition would be to read again all that was just written.
-- name: leave_alone
alter table {partition} set (autovacuum_enabled = false)

-- name: index_new
create index {index} on {partition} {definition}

-- name: summarise
select brin_summarize_new_values(to_regclass($1))

-- name: try_lock_indexing
select pg_try_advisory_lock(244851200003)

-- One core is enough, the others have the fleet to look after.
-- name: for_indexing
set maintenance_work_mem = '256MB';
set max_parallel_maintenance_workers = 0

-- name: drop_broken_off
drop index concurrently if exists {index}

-- name: index
create index concurrently {index} on {partition} {definition}

-- A moment that has surely come, however wrong a clock is.
-- name: surely_now
select least(now(), (select max(newest) + interval '1 hour' from commits))

-- While this waits for a reader, a dump for instance, all who read or write the table wait behind it.
-- name: drop
set local lock_timeout = '100ms';
drop table if exists {partition}
