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
-- $14 database text
-- $15 server text
-- omniq: enqueue_in_transaction
select here.database,
       case when here.database operator(pg_catalog.=) $14 and here.server operator(pg_catalog.=) $15
            then pg_catalog.cardinality(array(
                select "omniq".enqueue_many($1, $2, $3, $4, $5, $6, $7, $8::timestamptz[], $9, $10, $11, $12, $13)))
       end
from -- The identity of the database of this session: its name, and the time when its server started, which no two servers share, not even a
-- server and its copy.
(select cast(pg_catalog.current_database() as pg_catalog.text) as database,
        cast(extract(epoch from pg_catalog.pg_postmaster_start_time()) as pg_catalog.text) as server) here
