-- Events by filter, the latest first.
-- params: task uuid, kind text, queue text, worker text, since timestamptz, until timestamptz, after bigint, limit bigint
-- index: _id_idx for null, null, 'q', null, null, null, null, 100
-- read only
select {event_columns}
from {schema}.events e
where {event_filter}
order by e.id desc
limit :limit
