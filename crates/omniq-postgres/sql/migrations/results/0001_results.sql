-- What came of tasks: one row per task id.
create table {schema}.results (
    task_id     uuid primary key,
    enqueued_at timestamptz,
    started_at  timestamptz,
    finished_at timestamptz not null,
    expires_at  timestamptz,
    attempt     integer not null default 0,
    -- completed, failed, cancelled, expired, discarded
    status      text not null,
    queue       text not null,
    func        text not null,
    worker      text,
    codec       text,
    value       bytea,
    error       jsonb,
    metadata    jsonb
);

-- Ascending, so that what is new goes to its end, which is the cheapest place; the latest first is a walk backwards.
create index results_finished on {schema}.results (finished_at, task_id);
-- Most results are completions: the others are found without walking over them.
create index results_uncompleted on {schema}.results (status, finished_at, task_id) where status <> 'completed';
create index results_expiring on {schema}.results using brin (expires_at) with (autosummarize = on);
