-- $1 worker int8
-- omniq: await_claims
with me as materialized (
    select w.id from "omniq".workers w where w.id = $1 for update
)
update "omniq".workers w
set epoch = w.epoch + 1
from me
where w.id = me.id
returning w.epoch
