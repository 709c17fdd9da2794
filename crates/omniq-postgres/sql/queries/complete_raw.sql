-- Completes a task on a connection of any driver, in whatever transaction it is: types are written down. It answers as
-- enqueue_inside.sql does: null if the connection leads to another database than the queue's.
select here.database,
       case when here.database operator(pg_catalog.=) (cast(cast($1 as text) as jsonb) ->> 'database')
             and here.server operator(pg_catalog.=) (cast(cast($1 as text) as jsonb) ->> 'server')
            then pg_catalog.cardinality(array(
                select 1 from {schema}.complete(cast(cast($1 as text) as jsonb), cast($2 as bytea))))
       end
from {here}
