-- Logs that tasks were enqueued: $1 their ids, $2 queues, $3 functions.
select {schema}.log_enqueued($1, $2, $3)
