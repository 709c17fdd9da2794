-- $1 record text
-- $2 values bytea[]
-- omniq: log_raw
select here.database,
       case when here.database operator(pg_catalog.=) (cast(cast($1 as text) as jsonb) ->> 'database')
             and here.server operator(pg_catalog.=) (cast(cast($1 as text) as jsonb) ->> 'server')
             and cast($2 as bytea[]) is not null
            then array(select 'true' from "omniq".add_events(cast(cast($1 as text) as jsonb) -> 'events'))
       end as done
from -- The identity of the database of this session: its name, and the time when its server started, which no two servers share, not even a
-- server and its copy.
(select cast(pg_catalog.current_database() as pg_catalog.text) as database,
        cast(extract(epoch from pg_catalog.pg_postmaster_start_time()) as pg_catalog.text) as server) here
