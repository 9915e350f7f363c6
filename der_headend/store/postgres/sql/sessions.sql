-- An older session of the same agent that is still open here has been replaced, whoever failed to say so.
-- name: close_replaced
update sessions as s
set disconnected_at = greatest(s.last_seen_at, n.connected_at), reason = 'replaced by a newer session'
from unnest($1::text[], $2::uuid[], $3::timestamptz[]) as n (agent_id, session_id, connected_at)
where s.agent_id = n.agent_id and s.session_id <> n.session_id and s.disconnected_at is null

-- name: put
insert into sessions (
    session_id, agent_id, mode, site_id, peer, connected_at, last_seen_at, disconnected_at, reason, asset_ids, spool_id
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (session_id) do update
set last_seen_at = greatest(sessions.last_seen_at, excluded.last_seen_at),
    disconnected_at = excluded.disconnected_at,
    reason = excluded.reason
where sessions.disconnected_at is null

-- name: recent
select r.*
from (select distinct agent_id from sessions) as a
cross join lateral (
    select * from sessions as s where s.agent_id = a.agent_id order by s.connected_at desc, s.session_id desc limit $1
) as r
order by r.connected_at desc, r.session_id desc

-- An agent may have sent heartbeats for weeks: only the last one is looked for.
-- name: close_open
update sessions as s
set last_seen_at = heard.at, disconnected_at = heard.at, reason = $1
from (
    select o.session_id, greatest(o.last_seen_at, last.received_at) as at
    from sessions as o
    left join lateral (
        select h.received_at
        from heartbeats as h
        where h.agent_id = o.agent_id and h.session_id = o.session_id and h.received_at >= o.connected_at
        order by h.received_at desc
        limit 1
    ) as last on true
    where o.disconnected_at is null
) as heard
where s.session_id = heard.session_id
returning s.*
