-- What happened, in the order in which it was taken. Only ever added to.
create table {schema}.events (
    id      bigint generated always as identity primary key,
    at      timestamptz not null,
    task_id uuid,
    attempt integer,
    kind    text not null,
    queue   text,
    func    text,
    worker  text,
    data    jsonb
);

create index events_task on {schema}.events (task_id, id) where task_id is not null;
-- The kinds that few tasks meet are found without walking over those that all meet.
create index events_rare on {schema}.events (kind, id) where kind not in ('enqueued', 'started', 'completed');
create index events_at on {schema}.events using brin (at) with (autosummarize = on);
