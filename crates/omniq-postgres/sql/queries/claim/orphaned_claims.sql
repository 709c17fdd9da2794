-- All tasks that a worker holds. It may not know of some, because the answer to a claim was lost.
-- params: worker bigint
-- index: tasks_ready
-- read only
select t.id, t.count, t.removed, t.claims
from {schema}.tasks t
where t.state = {ready} and t.worker = :worker
