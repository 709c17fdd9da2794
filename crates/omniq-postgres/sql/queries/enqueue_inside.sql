-- Adds tasks in a transaction of the user's own, with their `enqueued` events where the schema has events.
select {schema}.enqueue_many($1, $2, $3, $4, $5, $6, $7, $8::text[]::timestamptz[], $9, $10, $11, $12, $13)
