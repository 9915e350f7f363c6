-- name: put
insert into events (id, at, site_id, asset_id, severity, kind, code, message)
select * from unnest(
    $1::uuid[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[]
)
on conflict (id) do nothing

-- name: page
select * from events
where ($1::uuid is null or asset_id = $1)
  and ($2::uuid is null or site_id = $2)
  and ($3::text is null or severity = $3)
  and ($4::timestamptz is null or at >= $4)
  and ($5::timestamptz is null or at < $5)
  and ($6::timestamptz is null or (at, id) < ($6, $7::uuid))
  and ($9::boolean is null or (acknowledged_at is not null) = $9)
order by at desc, id desc
limit $8

-- name: acknowledge
update events set acknowledged_at = coalesce(acknowledged_at, $2) where id = $1 returning *

-- Which came last counts, and not what its time says: an agent's clock may be wrong.
-- name: open_alarms
select * from (
    select distinct on (site_id, asset_id, code) *
    from events
    where kind <> 'notice'
    order by site_id, asset_id, code, place desc
) as newest
where kind = 'raised'
order by at, place
