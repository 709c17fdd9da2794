-- Adds tasks on a connection of the user's own, with their `enqueued` events where the schema has events, if it leads to the database $14 of the server $15. Answers with the database that it
-- leads to, and how many were added: null if it is another.
select here.database,
       case when here.database operator(pg_catalog.=) $14 and here.server operator(pg_catalog.=) $15
            then pg_catalog.cardinality(array(
                select {schema}.enqueue_many($1, $2, $3, $4, $5, $6, $7, $8::text[]::timestamptz[], $9, $10, $11, $12, $13)))
       end
from {here}
