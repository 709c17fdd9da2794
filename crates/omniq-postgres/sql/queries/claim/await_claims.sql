-- Waits until no claim of this worker is in flight (each locks the worker's row until it ends), and begins a new epoch, in which claims of
-- the last one that arrive late are refused.
-- params: worker bigint
-- locks: the worker, for update
-- writes: workers
with me as materialized (
    select w.id from {schema}.workers w where w.id = :worker for update
)
update {schema}.workers w
set epoch = w.epoch + 1
from me
where w.id = me.id
returning w.epoch
