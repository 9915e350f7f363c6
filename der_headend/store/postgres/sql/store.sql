-- name: counts
select
    (select count(*) from dispatches) as dispatches,
    (select count(*) from events) as events,
    (select count(*) from sessions) as sessions

-- name: connected_from
select distinct coalesce(host(client_addr), 'this machine') as address
from pg_stat_activity
where datname = current_database() and application_name = $1 and pid <> pg_backend_pid()
order by address

-- Of our tables alone: the database may be shared.
-- name: partitions
select inhrelid::regclass::text as name
from pg_inherits
where inhparent = any (array['telemetry', 'heartbeats', 'rollup_1m', 'rollup_5m']::regclass[])
order by name

-- name: drop_partitions
drop table {partitions}

-- name: empty
truncate
    sites, assets, sessions, spools, commits, dispatches, allocations, events, heartbeats, signals, states,
    telemetry, rollup_1m, rollup_5m, rollup_windows, rollup_late
    restart identity;
update rollup_frontier set through = date_bin('5 minutes', now(), '2000-01-01 00:00:00+00')

-- Partitions are added up under their table. Rows are the server's estimate; it has none of a
-- table that it has not analyzed yet.
-- name: tables
select
    root.relname::text as name,
    case when not bool_or(part.relkind = 'r' and part.reltuples < 0) then
        sum(greatest(part.reltuples, 0))::bigint
    end as rows,
    sum(pg_total_relation_size(part.oid))::bigint as bytes
from pg_class as root
join pg_namespace as space on space.oid = root.relnamespace and space.nspname = 'public'
cross join lateral (
    select tree.relid from pg_partition_tree(root.oid) as tree
    union
    select root.oid where root.relkind = 'r'
) as member (oid)
join pg_class as part on part.oid = member.oid
where root.relkind in ('r', 'p') and not root.relispartition
group by root.relname
order by root.relname
