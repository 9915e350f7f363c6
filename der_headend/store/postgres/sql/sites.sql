-- Five minutes before the frontier whose buckets are not made yet, or not any more, from $1 to $2.
-- name: windows
select begins from rollup_windows
where begins > $1::timestamptz - interval '5 minutes' and begins < $2

-- Other five minutes of which some of the assets $1 have buckets to be made again, from $2 to $3: the newest $4.
-- name: late
select l.begins, count(distinct l.asset) as assets
from rollup_late as l
where l.asset = any ($1::int[]) and l.begins > $2::timestamptz - interval '5 minutes' and l.begins < $3
  and not exists (select from rollup_windows as w where w.begins = l.begins)
group by l.begins
order by l.begins desc
limit $4

-- Buckets of a site, from those of its assets that are made ({table}) and, where they are not made, from samples. Each
-- asset's are put together by themselves, in memory, and then summed. What is beyond all numbers is taken for unknown.
--
-- $1 keys of the assets, $2 their capacities in MWh, $3 to $4 the time, $5 how many made buckets to read of each asset,
-- $6 up to where they are made, $7 windows before it in which they are not, $8 the width, $9 how many.
-- name: sums
select
    s.begins,
    count(s.mean),
    sum(s.mean),
    sum(s.setpoint_mw[2]),
    sum(s.soc_mwhr[2]),
    sum(s.soc_pct[2] * w.capacity_mwhr)
        / nullif(sum(w.capacity_mwhr) filter (where s.soc_pct is not null), 0)
from unnest($1::int[], $2::double precision[]) as w (key, capacity_mwhr)
left join (
    select asset, array_agg(distinct begins) as begins
    from rollup_late
    where asset = any ($1) and begins > $3::timestamptz - interval '5 minutes' and begins < $4
    group by asset
) as l on l.asset = w.key
cross join lateral (
    select
        date_bin($8, p.at, 'epoch') as begins,
        sum(p.mean * p.known) filter (where abs(p.mean) < 1e300)
            / sum(p.known) filter (where abs(p.mean) < 1e300) as mean,
        max(array[extract(epoch from p.at)::double precision, p.setpoint_mw])
            filter (where abs(p.setpoint_mw) < 1e300) as setpoint_mw,
        max(array[extract(epoch from p.at)::double precision, p.soc_mwhr])
            filter (where abs(p.soc_mwhr) < 1e300) as soc_mwhr,
        max(array[extract(epoch from p.at)::double precision, p.soc_pct])
            filter (where abs(p.soc_pct) < 1e300) as soc_pct
    from (
        (
            select
                at,
                stats[1][1] as mean,
                stats[5][1] as known,
                stats[4][2] as setpoint_mw,
                stats[4][3] as soc_mwhr,
                stats[4][4] as soc_pct
            from {table}
            where asset = w.key and at >= $3 and at < least($4::timestamptz, $6::timestamptz)
              and (cardinality($7::timestamptz[]) = 0 or date_bin('5 minutes', at, 'epoch') <> all ($7))
              and (l.begins is null or date_bin('5 minutes', at, 'epoch') <> all (l.begins))
            order by at desc
            limit $5
        )
        {samples}
    ) as p
    group by 1
) as s
group by s.begins
order by s.begins desc
limit $9

-- A sample that was stored twice counts once. The times are spelled out, so that only their partitions are looked at.
-- name: samples
union all
(
    select distinct on (at) at, current_mw, 1, setpoint_mw, soc_mwhr, soc_pct
    from telemetry
    where asset = w.key and at >= '{begins}' and at < '{ends}' and {whose}
    order by at
)
