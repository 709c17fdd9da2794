-- $1 ids text[]
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
-- omniq: enqueue_raw
select here.database,
       case when here.database operator(pg_catalog.=) cast($14 as text) and here.server operator(pg_catalog.=) cast($15 as text)
            then pg_catalog.cardinality(array(
                select "omniq".enqueue_many(
                    cast(cast($1 as text[]) as uuid[]), cast($2 as text[]), cast($3 as text[]), cast($4 as text[]),
                    cast($5 as bytea[]), cast($6 as smallint[]), cast($7 as integer[]),
                    cast(cast($8 as text[]) as timestamptz[]), cast($9 as double precision[]), cast($10 as double precision[]),
                    cast($11 as text[]), cast($12 as text[]), cast($13 as boolean[]))))
       end
from -- The identity of the database of this session: its name, and the time when its server started, which no two servers share, not even a
-- server and its copy.
(select cast(pg_catalog.current_database() as pg_catalog.text) as database,
        cast(extract(epoch from pg_catalog.pg_postmaster_start_time()) as pg_catalog.text) as server) here
