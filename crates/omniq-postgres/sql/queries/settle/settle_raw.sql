-- Settles tasks on a connection of any driver, in its transaction: types are written down. Answers with the database's name and, for each
-- task, whether it was held, as text; null in place of these if it is another database than :record says: then nothing was done.
-- params: record text, values bytea[]
-- locks: the tasks, for update
-- writes: tasks, result_segments, events, count_deltas; notifies
-- rows: of one task
-- cursors: kept: nothing tells when the user's transaction ends, and a scan finds what has come back
select here.database,
       case when here.database operator(pg_catalog.=) (cast(cast(:record as text) as jsonb) ->> 'database')
             and here.server operator(pg_catalog.=) (cast(cast(:record as text) as jsonb) ->> 'server')
            then cast({schema}.settle_in_transaction(cast(cast(:record as text) as jsonb), cast(:values as bytea[])) as text[])
       end as done
from {here}
