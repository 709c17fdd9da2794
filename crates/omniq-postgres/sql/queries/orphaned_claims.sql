-- All that a worker holds: it may not know of some, because the answer to a claim was lost.
select t.id, t.count, t.removed, t.claims
from {schema}.tasks t
where t.state = 1 and t.worker = $1
