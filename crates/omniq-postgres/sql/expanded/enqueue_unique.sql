-- $1 ids uuid[]
-- $2 queues text[]
-- $3 funcs text[]
-- $4 codecs text[]
-- $5 payloads bytea[]
-- $6 priorities int2[]
-- $7 max_retries int4[]
-- $8 run_ats text[]
-- $9 delays float8[]
-- $10 ttls float8[]
-- $11 options text[]
-- $12 metadata text[]
-- $13 chosen bool[]
-- $14 logged bool
-- omniq: enqueue_unique
select id, enqueued
from "omniq".enqueue_unique($1, $2, $3, $4, $5, $6, $7, $8::timestamptz[], $9, $10, $11, $12, $13, $14)
