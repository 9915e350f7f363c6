-- name: lock
select pg_advisory_xact_lock(244851200001)

-- name: existing
select c.relname as name
from pg_inherits as i
join pg_class as c on c.oid = i.inhrelid
where i.inhparent = $1::regclass
order by c.relname

-- Attaching, unlike "create table ... partition of", does not wait for those who read or write the table.
-- name: create
create table {partition} (like {table} including all);
alter table {table} attach partition {partition} for values from ('{begins}') to ('{ends}')

-- name: drop
set local lock_timeout = '2s';
drop table {partition}
