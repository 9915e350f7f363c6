-- One statement, so that a dispatch on its way to its agent waits for one answer. That a cancel was asked for is stored
-- ahead of the batch under way, adds no step, and is never taken back.
-- name: put
with newer as (
insert into dispatches (
    id, target, asset_id, site_id, requested_mw, duration_s, ttl_s, submitted_at, expires_at, state, ended,
    unserved_mw, cancel_requested_at, warnings, transitions, steps
)
select
    id, target, asset_id, site_id, requested_mw, duration_s, ttl_s, submitted_at, expires_at, state, ended,
    unserved_mw, cancel_requested_at, array(select jsonb_array_elements_text(warnings)), transitions, steps
from unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::float8[], $6::float8[], $7::float8[], $8::timestamptz[],
    $9::timestamptz[], $10::text[], $11::boolean[], $12::float8[], $13::timestamptz[], $14::jsonb[], $15::jsonb[],
    $16::int[]
) as n (
    id, target, asset_id, site_id, requested_mw, duration_s, ttl_s, submitted_at, expires_at, state, ended,
    unserved_mw, cancel_requested_at, warnings, transitions, steps
)
order by id
on conflict (id) do update
set target = excluded.target, asset_id = excluded.asset_id, requested_mw = excluded.requested_mw,
    state = excluded.state, ended = excluded.ended, unserved_mw = excluded.unserved_mw,
    cancel_requested_at = coalesce(excluded.cancel_requested_at, dispatches.cancel_requested_at),
    warnings = excluded.warnings, transitions = excluded.transitions, steps = excluded.steps
where dispatches.steps <= excluded.steps
returning id
)
insert into allocations (
    dispatch_id, asset_id, place, agent_id, state, capacity_mwhr, weight, raw_mw, clamped_mw, mw, applied_mw,
    measured_mw, note, transitions
)
select * from unnest(
    $17::uuid[], $18::uuid[], $19::int[], $20::text[], $21::text[], $22::float8[], $23::float8[], $24::float8[],
    $25::float8[], $26::float8[], $27::float8[], $28::float8[], $29::text[], $30::jsonb[]
) as parts (dispatch_id, asset_id)
where dispatch_id in (select id from newer)
order by dispatch_id, asset_id
on conflict (dispatch_id, asset_id) do update
set place = excluded.place, agent_id = excluded.agent_id, state = excluded.state,
    capacity_mwhr = excluded.capacity_mwhr, weight = excluded.weight, raw_mw = excluded.raw_mw,
    clamped_mw = excluded.clamped_mw, mw = excluded.mw, applied_mw = excluded.applied_mw,
    measured_mw = excluded.measured_mw, note = excluded.note, transitions = excluded.transitions
where allocations is distinct from excluded

-- name: allocations
select * from allocations where dispatch_id = any ($1::uuid[]) order by dispatch_id, place

-- name: get
select * from dispatches where id = $1

-- name: unfinished
select * from dispatches where not ended order by submitted_at, id

-- name: newest
select * from dispatches order by submitted_at desc, id desc limit $1

-- name: page
select d.* from dispatches as d
where ($1::uuid is null or d.id in (
        select a.dispatch_id from allocations as a where a.asset_id = $1
        union all
        select o.id from dispatches as o where o.asset_id = $1
      ))
  and ($2::uuid is null or d.site_id = $2)
  and ($3::text is null or d.state = $3)
  and ($4::timestamptz is null or d.submitted_at >= $4)
  and ($5::timestamptz is null or d.submitted_at < $5)
  and ($6::timestamptz is null or (d.submitted_at, d.id) < ($6, $7::uuid))
order by d.submitted_at desc, d.id desc
limit $8
