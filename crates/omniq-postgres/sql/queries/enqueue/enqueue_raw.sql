-- Adds tasks on a connection of any driver, in its transaction, with their `enqueued` events where the schema has events: types are written down.
-- Answers as settle_raw.sql does; the answer is enqueue_in_transaction()'s.
-- params: record text, values bytea[]
-- writes: tasks, count_deltas, events; notifies
-- rows: new
-- cursors: kept
select here.database,
       case when here.database operator(pg_catalog.=) (cast(cast(:record as text) as jsonb) ->> 'database')
             and here.server operator(pg_catalog.=) (cast(cast(:record as text) as jsonb) ->> 'server')
            then {schema}.enqueue_in_transaction(cast(cast(:record as text) as jsonb) -> 'tasks', cast(:values as bytea[]))
       end as done
from {here}
