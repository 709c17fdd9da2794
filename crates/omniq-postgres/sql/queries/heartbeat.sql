-- Extends a worker's lease and takes the tasks that it is to stop. No row: it was declared lost.
with old as materialized (
    select w.id, w.cancelled
    from {schema}.workers w
    where w.id = $1 and w.ended_at is null
    for no key update
)
update {schema}.workers w
set seen_at = clock_timestamp(), expires_at = clock_timestamp() + w.lease, cancelled = '{}'
from old
where w.id = old.id
returning old.cancelled
