-- Adds a worker: $1 name, $2 queues, $3 lease in seconds.
insert into {schema}.workers (name, queues, lease, expires_at)
values ($1, $2, make_interval(secs => $3), clock_timestamp() + make_interval(secs => $3))
returning id
