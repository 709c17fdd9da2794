-- The last events by filter, the newest first: $1 task, $2 kind, $3 queue, $4 worker, $5 since, $6 until, $7 behind, $8 limit.
select {event_columns}
from {schema}.events e
where {event_filter}
order by e.id desc
limit $8
