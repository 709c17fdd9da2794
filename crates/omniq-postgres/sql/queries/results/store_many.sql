-- Stores results, one in a row; of two for one task the later one counts. Each result names its shape, from 1 on. In the same transaction
-- the tasks' groups were locked and earlier results removed, by lock_results.sql and delete_results.sql.
-- params: ids uuid[], shapes integer[], values bytea[], errors text[], metadata text[], enqueued timestamptz[], started timestamptz[],
-- params: finished timestamptz[], statuses text[], codecs text[], queues text[], funcs text[], workers text[], attempts integer[],
-- params: ttls double precision[]
-- writes: result_segments; notifies
with stored as (
    insert into {schema}.result_segments (
        task_id, status, codec, "values", error, queue, func, worker, attempt, metadata,
        enqueued_at, started_at, finished_at, expires_at)
    select distinct on (r.task_id)
           r.task_id, :statuses[r.shape], :codecs[r.shape], array[r.value], r.error::jsonb, :queues[r.shape],
           :funcs[r.shape], :workers[r.shape], :attempts[r.shape], r.metadata::jsonb,
           r.enqueued_at, r.started_at, r.finished_at,
           coalesce(clock_timestamp() + make_interval(secs => :ttls[r.shape]), 'infinity')
    from unnest(:ids, :shapes, :values, :errors, :metadata, :enqueued, :started,
                :finished)
         with ordinality
         as r(task_id, shape, value, error, metadata, enqueued_at, started_at, finished_at, ord)
    order by r.task_id, r.ord desc
)
select case when {schema}.has_waits('') then {schema}.ring(:ids, null) end
