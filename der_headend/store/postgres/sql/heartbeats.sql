-- name: put
insert into heartbeats (
    agent_id, session_id, at, received_at, spooled_records, spooled_bytes, dropped_records
)
select * from unnest(
    $1::text[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[]
)
on conflict do nothing

-- name: latest
select * from heartbeats where agent_id = $1 order by received_at desc limit $2
