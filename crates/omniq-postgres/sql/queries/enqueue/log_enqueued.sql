-- Logs that tasks were enqueued.
-- params: ids uuid[], queues text[], funcs text[]
-- writes: events
select {schema}.log_enqueued(:ids, :queues, :funcs)
