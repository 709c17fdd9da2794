-- What came of tasks: one row per task id, kept until its time is over; without end: until infinity. That there is one row only
-- is seen to by whoever writes: see forget_result() and store_many.sql.
create table {schema}.results (
    enqueued_at timestamptz,
    started_at  timestamptz,
    finished_at timestamptz not null,
    expires_at  timestamptz not null,
    task_id     uuid not null,
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
) partition by range (expires_at);

create index results_task on {schema}.results (task_id);
-- Ascending, so that what is new goes to its end, which is the cheapest place; the latest first is a walk backwards.
create index results_finished on {schema}.results (finished_at, task_id);
-- Most results are completions: the others are found without walking over them.
create index results_uncompleted on {schema}.results (status, finished_at, task_id) where status <> 'completed';
create index results_expiring on {schema}.results using brin (expires_at) with (autosummarize = on);

create table {schema}.results_kept partition of {schema}.results for values from ('infinity') to (maxvalue);

{partitions}

-- Removes what an earlier life of this task has left; always true, so that it can stand in a condition.
create function {schema}.forget_result(task uuid) returns boolean
language plpgsql as {body}
begin
    delete from {schema}.results r where r.task_id = task;
    return true;
end
{body};
