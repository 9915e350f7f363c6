-- Power in MW, positive = discharge / export. Times are UTC. Energy in MWh (spelled mwhr, as in the inventory).

-- The inventory, so that the database can be read on its own. Samples name an asset by its key, which never changes.
create table sites (
    id       uuid primary key,
    name     text not null,
    location text not null
);

create table assets (
    key           int primary key generated always as identity,
    id            uuid not null unique,
    site_id       uuid not null references sites,
    name          text not null,
    asset_type    text not null,
    capacity_mwhr double precision not null,
    min_mw        double precision not null,
    max_mw        double precision not null
);

create table sessions (
    session_id      uuid primary key,
    agent_id        text not null,
    mode            text not null,
    site_id         uuid not null,
    peer            text not null,
    connected_at    timestamptz not null,
    last_seen_at    timestamptz not null,
    disconnected_at timestamptz,
    reason          text,
    asset_ids       uuid[] not null,
    spool_id        uuid not null
);
create index sessions_of_agent on sessions (agent_id, connected_at desc);
-- An agent has one open session at most; a second one can't even be stored.
create unique index sessions_open on sessions (agent_id) where disconnected_at is null;

-- How far each agent's spool is stored; written with what it is the mark of.
create table spools (
    spool_id  uuid primary key,
    mark      bigint not null,
    marked_at timestamptz not null
);

-- The last batches of each writer, each written in its own transaction: a batch whose outcome the writer could not
-- learn is tried again under the same id, and found here if it had gone through.
create table commits (
    batch_id  uuid primary key,
    writer_id uuid not null,
    stored_at timestamptz not null,
    newest    timestamptz not null
);
create index commits_of_writer on commits (writer_id);

-- A list of transitions is json: [[state, microseconds since 1970, by, reason], ...], oldest first.
-- steps counts all transitions of a dispatch and its parts: it only grows, so an older record never replaces a newer.
create table dispatches (
    id                  uuid primary key,
    target              text not null,
    asset_id            uuid,
    site_id             uuid not null,
    requested_mw        double precision not null,
    duration_s          double precision,
    ttl_s               double precision not null,
    submitted_at        timestamptz not null,
    expires_at          timestamptz not null,
    state               text not null,
    ended               boolean not null,
    unserved_mw         double precision,
    cancel_requested_at timestamptz,
    warnings            text[] not null,
    transitions         jsonb not null,
    steps               int not null
);
create index dispatches_newest on dispatches (submitted_at, id);
create index dispatches_of_site on dispatches (site_id, submitted_at, id);
create index dispatches_of_asset on dispatches (asset_id) where asset_id is not null;
create index dispatches_unfinished on dispatches (submitted_at, id) where not ended;

create table allocations (
    dispatch_id   uuid not null references dispatches on delete cascade,
    asset_id      uuid not null,
    place         int not null,
    agent_id      text,
    state         text not null,
    capacity_mwhr double precision,
    weight        double precision,
    raw_mw        double precision,
    clamped_mw    double precision,
    mw            double precision,
    applied_mw    double precision,
    measured_mw   double precision,
    note          text,
    transitions   jsonb not null,
    primary key (dispatch_id, asset_id)
);
create index allocations_of_asset on allocations (asset_id, dispatch_id);

create table events (
    id              uuid primary key,
    place           bigint generated always as identity,
    at              timestamptz not null,
    site_id         uuid not null,
    asset_id        uuid,
    severity        text not null,
    kind            text not null,
    code            text not null,
    message         text not null,
    acknowledged_at timestamptz
);
create index events_newest on events (at, id);
create index events_of_site on events (site_id, at, id);
create index events_of_asset on events (asset_id, at, id);
create index events_alarms on events (site_id, asset_id, code, at, place) where kind <> 'notice';

create table heartbeats (
    received_at     timestamptz not null,
    at              timestamptz not null,
    session_id      uuid not null,
    agent_id        text not null,
    spooled_records bigint not null,
    spooled_bytes   bigint not null,
    dropped_records bigint not null,
    primary key (agent_id, received_at, session_id)
) partition by range (received_at);

-- Signals that were ever stored, and what the codes of states mean. A place from 1 on is the one in telemetry.others;
-- -4 to 0 are the core signals, in the order of the columns of rollup_1m.stats.
create table signals (
    place int primary key check (place between -4 and 256),
    name  text not null unique
);

create table states (
    signal text not null,
    code   smallint not null,
    name   text not null,
    primary key (signal, code),
    unique (signal, name)
);

-- Samples. Unknown is NaN, in others as well, and -1 for status: so that every row of a batch is as wide as the
-- next, and a batch is written without looking at single values. For people there is the view "samples".
create table telemetry (
    at          timestamptz not null,
    current_mw  double precision not null,
    setpoint_mw double precision not null,
    soc_mwhr    double precision not null,
    soc_pct     double precision not null,
    asset       int not null,
    status      smallint not null,
    others      double precision[]
) partition by range (at);
create index telemetry_of_asset on telemetry (asset, at);

create view samples as
select
    a.id as asset_id,
    a.name as asset_name,
    t.at,
    nullif(t.current_mw, 'NaN') as current_mw,
    nullif(t.setpoint_mw, 'NaN') as setpoint_mw,
    nullif(t.soc_mwhr, 'NaN') as soc_mwhr,
    nullif(t.soc_pct, 'NaN') as soc_pct,
    s.name as status,
    (
        select jsonb_object_agg(g.name, v.value)
        from unnest(t.others) with ordinality as v (value, place)
        join signals as g on g.place = v.place
        where v.value <> 'NaN'
    ) as others
from telemetry as t
join assets as a on a.key = t.asset
left join states as s on s.signal = 'status' and s.code = t.status;

-- Buckets. stats[1..5] are the rows mean, min, max, last and known (how many samples had a value), each with one
-- number per signal: current_mw, setpoint_mw, soc_mwhr, soc_pct, status, then the others by place. Unknown is NaN.
create table rollup_1m (
    at    timestamptz not null,
    asset int not null,
    stats double precision[] not null,
    primary key (asset, at)
) partition by range (at);

create table rollup_5m (
    at    timestamptz not null,
    asset int not null,
    stats double precision[] not null,
    primary key (asset, at)
) partition by range (at);

-- Up to where buckets are made: samples before it that come later are noted in rollup_late, in their transaction.
create table rollup_frontier (
    only_row boolean primary key default true check (only_row),
    through  timestamptz not null
);
insert into rollup_frontier (through) values (date_bin('5 minutes', now(), '2000-01-01 00:00:00+00'));

-- Five minutes each, below the frontier, whose buckets are still to be made for the assets behind after_key.
create table rollup_windows (
    begins    timestamptz primary key,
    after_key int not null default 0
);

-- Buckets of five minutes that have to be made again. Has duplicates.
create table rollup_late (
    begins timestamptz not null,
    asset  int not null
);
create index rollup_late_of_asset on rollup_late (asset, begins)
