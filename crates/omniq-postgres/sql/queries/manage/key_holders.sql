-- The tasks that took these keys last.
-- params: keys text[]
-- read only
select k.key, k.task_id
from unnest(:keys) as w(key)
cross join lateral (select k.key, k.task_id from {schema}.keys k where k.key = w.key) k
