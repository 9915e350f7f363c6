-- The inventory, the catalogue of signals and the names of states.

-- name: put_sites
insert into sites (id, name, location)
select * from unnest($1::uuid[], $2::text[], $3::text[])
on conflict (id) do update set name = excluded.name, location = excluded.location
where (sites.name, sites.location) is distinct from (excluded.name, excluded.location)

-- name: make_offered
create temporary table offered (
    id            uuid not null,
    site_id       uuid not null,
    name          text not null,
    asset_type    text not null,
    capacity_mwhr double precision not null,
    min_mw        double precision not null,
    max_mw        double precision not null
) on commit drop

-- name: change_assets
update assets as a
set site_id = n.site_id, name = n.name, asset_type = n.asset_type,
    capacity_mwhr = n.capacity_mwhr, min_mw = n.min_mw, max_mw = n.max_mw
from offered as n
where a.id = n.id
  and (a.site_id, a.name, a.asset_type, a.capacity_mwhr, a.min_mw, a.max_mw)
      is distinct from (n.site_id, n.name, n.asset_type, n.capacity_mwhr, n.min_mw, n.max_mw)

-- An insert with "on conflict" would use up a key for every asset at every start. Assets of a site report together, and
-- what is written is in order of key: keys that follow one another keep together what comes together.
-- name: add_assets
insert into assets (id, site_id, name, asset_type, capacity_mwhr, min_mw, max_mw)
select n.*
from offered as n
where not exists (select from assets as a where a.id = n.id)
order by n.site_id, n.id

-- In order of the fleet's slots.
-- name: asset_keys
select a.key
from offered as n
join assets as a on a.id = n.id
order by a.id

-- name: lock_catalogue
lock table signals, states in share row exclusive mode

-- name: signals
select name, place from signals order by place

-- name: add_signal
insert into signals (name, place) values ($1, $2)

-- name: states
select signal, name from states order by signal, code

-- name: add_state
insert into states (signal, name, code) values ($1, $2, $3)
