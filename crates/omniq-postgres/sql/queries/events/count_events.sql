-- How many events, by filter.
-- params: task uuid, kind text, queue text, worker text, since timestamptz, until timestamptz, after bigint
-- index: _at_idx for null, null, null, null, now(), null, null
-- read only
select count(*)
from {schema}.events e
where {event_filter}
