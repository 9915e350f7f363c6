-- name: of_asset
select {columns} from {table}
where asset = $1 and at >= $2 and at < $3
order by at desc
limit $4

-- What of an asset's buckets is not made yet, or not any more: from when to when.
-- name: unmade
select through as begins, '9999-12-31'::timestamptz as ends from rollup_frontier
union all
select begins, begins + interval '5 minutes' from rollup_windows
union all
select begins, begins + interval '5 minutes' from rollup_late where asset = $1

-- name: lock_frontier
select through from rollup_frontier for update

-- name: advance
update rollup_frontier set through = $1

-- name: open_windows
insert into rollup_windows (begins)
select generate_series($1::timestamptz, $2::timestamptz - interval '5 minutes', interval '5 minutes')

-- name: next_window
select begins, after_key from rollup_windows order by begins limit 1

-- name: next_keys
select key from assets where key > $1 order by key limit $2

-- name: window_done_through
update rollup_windows set after_key = $2 where begins = $1

-- name: close_window
delete from rollup_windows where begins = $1

-- name: take_late
delete from rollup_late
where ctid = any (array(select ctid from rollup_late order by begins limit $1))
returning begins, asset

-- name: remove
delete from {table} where asset = any ($1::int[]) and at >= $2 and at < $3

-- name: try_lock
select pg_try_advisory_xact_lock(244851200002)
