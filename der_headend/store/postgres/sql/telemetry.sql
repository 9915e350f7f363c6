-- A hot partition has no statistics, and readers want some of its rows.
-- name: by_index
set local enable_seqscan = off;
set local max_parallel_workers_per_gather = 0

-- name: of_asset
select distinct on (at) {columns} from telemetry
where asset = $1 and at >= $2 and at < $3
order by at desc
limit $4

-- The lateral join makes one short walk through the index for each asset, however many there are.
-- name: of_assets
select {columns}
from unnest($1::int[]) as wanted (key)
cross join lateral (
    select * from telemetry as t where t.asset = wanted.key and t.at >= $2 and t.at < $3 offset 0
) as found
order by asset, at
