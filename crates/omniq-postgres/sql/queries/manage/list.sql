-- Rows of tasks by filter, without their payloads, after the row of :after_id and :after_count.
-- params: queue text, state smallint, running boolean, func text, after_id uuid, after_count integer, limit bigint
-- read only
select t.id, t.count, t.removed
from {schema}.tasks t
where {task_filter}
  and (:after_id is null or (t.id, t.count) > (:after_id, :after_count))
order by t.id, t.count
limit :limit
