-- How many events: $1 task, $2 kind, $3 queue, $4 worker, $5 since, $6 until, $7 behind.
select count(*)
from {schema}.events e
where {event_filter}
