-- Adds events on a connection of any driver, in its transaction: types are written down. Answers as settle_raw.sql does, with one true. :values is
-- empty: all such statements have the same parameters.
-- params: record text, values bytea[]
-- writes: events
select here.database,
       case when here.database operator(pg_catalog.=) (cast(cast(:record as text) as jsonb) ->> 'database')
             and here.server operator(pg_catalog.=) (cast(cast(:record as text) as jsonb) ->> 'server')
             and cast(:values as bytea[]) is not null
            then array(select 'true' from {schema}.add_events(cast(cast(:record as text) as jsonb) -> 'events'))
       end as done
from {here}
