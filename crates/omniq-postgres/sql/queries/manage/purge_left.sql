-- Whether a purge, in its transaction, has left tasks that were there when it began.
-- params: queue text, state smallint, running boolean, func text, error text, error_start text,
-- params: since timestamptz, until timestamptz, max_seq bigint
-- index: tasks_ready for 'rare', 1, null, null, null, null, null, null, null
select exists (
    select from {schema}.tasks t
    where {task_filter} and t.worker is null and t.created_at <= now())
