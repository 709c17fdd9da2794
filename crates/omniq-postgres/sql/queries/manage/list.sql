-- Rows of tasks by filter, without their payloads, after the row of :after_id and :after_count.
-- params: queue text, state smallint, running boolean, func text, error text, error_start text,
-- params: since timestamptz, until timestamptz, max_seq bigint,
-- params: after_id uuid, after_count integer, limit bigint
-- index: tasks_id for null, null, null, null, null, null, null, null, null, null, null, 100
-- index: tasks_id for null, null, null, null, null, null, null, null, null, '01920000-0000-7000-8000-000000000000', 0, 100
-- index: tasks_ready for 'rare', 1, false, null, null, null, null, null, null, null, null, 100
-- index: tasks_due for 'rare', 0, null, null, null, null, null, null, null, null, null, 100
-- index: tasks_over for null, 3, null, null, null, null, null, null, null, null, null, 100
-- index: tasks_over for null, 3, null, 'f', 'E', null, now(), null, null, null, null, 100
-- index: tasks_over for null, 3, null, null, null, 'E', null, null, null, null, null, 100
-- index: tasks_id for null, null, null, null, 'E', null, now(), null, null, null, null, 100
-- read only
select t.id, t.count, t.removed
from {schema}.tasks t
where {task_filter}
  and (:after_id is null or (t.id, t.count) > (:after_id, :after_count))
order by t.id, t.count
limit :limit
