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

-- name: through
select through from rollup_frontier

-- name: lock_frontier
select through from rollup_frontier for update

-- name: advance
update rollup_frontier set through = $1

-- name: open_windows
insert into rollup_windows (begins) select unnest($1::timestamptz[])

-- In order of time, so that two programs which do so at once wait for each other, and no longer.
-- name: open_again
insert into rollup_windows as w (begins) select unnest($1::timestamptz[]) order by 1
on conflict (begins) do update set after_key = 0 where w.after_key <> 0

-- Keeps the frontier where it is until the rows that were written on its word are there.
-- name: hold_frontier
select through from rollup_frontier for share

-- name: newest_of_others
select max(newest) from commits where writer_id <> $1

-- Windows and late five minutes of partitions that have no index yet ($1 to $2) wait for it. Whoever opens a window
-- again waits until what is made of it is noted.
-- name: next_window
select w.begins, w.after_key from rollup_windows as w
where not exists (
    select from unnest($1::timestamptz[], $2::timestamptz[]) as u (begins, ends)
    where w.begins < u.ends and w.begins + interval '5 minutes' > u.begins
)
order by w.begins
limit 1
for update

-- name: next_keys
select key from assets where key > $1 order by key limit $2

-- name: window_done_through
update rollup_windows set after_key = $2 where begins = $1

-- name: close_window
delete from rollup_windows where begins = $1

-- name: forget_late
delete from rollup_late where begins = $1

-- name: take_late
delete from rollup_late
where ctid = any (array(
    select l.ctid from rollup_late as l
    where not exists (
        select from unnest($1::timestamptz[], $2::timestamptz[]) as u (begins, ends)
        where l.begins < u.ends and l.begins + interval '5 minutes' > u.begins
    )
    order by l.begins
    limit $3
))
returning begins, asset

-- name: remove
delete from {table} where asset = any ($1::int[]) and at >= $2 and at < $3

-- name: try_lock
select pg_try_advisory_xact_lock(244851200002)
