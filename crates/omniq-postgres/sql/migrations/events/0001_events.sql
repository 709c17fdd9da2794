-- What happened, in the order in which it was taken. Only ever added to.
create table {schema}.events (
    id       bigint generated always as identity,
    at       timestamptz not null,
    -- By the database's clock, for retention; `at` is whatever the writer says.
    taken_at timestamptz not null default now(),
    task_id  uuid,
    attempt  integer,
    kind     text not null,
    queue    text,
    func     text,
    worker   text,
    data     jsonb
) partition by range (taken_at);

create index events_id on {schema}.events (id);
create index events_task on {schema}.events (task_id, id) where task_id is not null;
-- The kinds that few tasks meet are found without walking over those that all meet.
create index events_rare on {schema}.events (kind, id) where kind not in ('enqueued', 'started', 'completed');
create index events_at on {schema}.events using brin (at) with (autosummarize = on);
-- Where tables are published, for `purge`; each partition for itself.
alter table {schema}.events replica identity full;

{partitions}
