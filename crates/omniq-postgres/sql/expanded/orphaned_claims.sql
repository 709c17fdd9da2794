-- $1 worker int8
-- omniq: orphaned_claims
select t.id, t.count, t.removed, t.claims
from "omniq".tasks t
where t.state = 1 and t.worker = $1
