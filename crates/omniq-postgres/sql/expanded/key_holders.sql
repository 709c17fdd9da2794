-- $1 keys text[]
-- omniq: key_holders
select k.key, k.task_id
from unnest($1) as w(key)
cross join lateral (select k.key, k.task_id from "omniq".keys k where k.key = w.key) k
