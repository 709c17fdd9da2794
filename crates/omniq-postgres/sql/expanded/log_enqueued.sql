-- $1 ids uuid[]
-- $2 queues text[]
-- $3 funcs text[]
-- omniq: log_enqueued
select "omniq".log_enqueued($1, $2, $3)
