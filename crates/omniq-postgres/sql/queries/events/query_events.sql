-- Events by filter, in order.
-- params: task uuid, kind text, queue text, worker text, since timestamptz, until timestamptz, after bigint, limit bigint
-- index: task_id_id_idx for '01920000-0000-7000-8000-000000000000', null, null, null, null, null, null, 100
-- index: kind_id_idx for null, 'failed', null, null, null, null, null, 100
-- index: _id_idx for null, 'started', null, null, null, null, null, 100
-- index: _id_idx for null, null, null, null, null, null, 99000, 100
-- read only
select {event_columns}
from {schema}.events e
where {event_filter}
order by e.id
limit :limit
