-- Waits until no claim of this worker is under way any more (each holds the worker's row by a lock until it has ended), and
-- begins a new epoch, in which claims that were sent before and have not begun yet are refused.
with me as materialized (
    select w.id from {schema}.workers w where w.id = $1 for update
)
update {schema}.workers w
set epoch = w.epoch + 1
from me
where w.id = me.id
returning w.epoch
