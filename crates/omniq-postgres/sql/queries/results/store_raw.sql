-- Stores results on a connection of any driver, in its transaction: types are written down. Answers as settle_raw.sql does, with one true.
-- params: record text, values bytea[]
-- writes: result_segments
select here.database,
       case when here.database operator(pg_catalog.=) (cast(cast(:record as text) as jsonb) ->> 'database')
             and here.server operator(pg_catalog.=) (cast(cast(:record as text) as jsonb) ->> 'server')
            then array(select 'true' from {schema}.store_results(
                cast(cast(:record as text) as jsonb) -> 'results', cast(:values as bytea[])))
       end as done
from {here}
