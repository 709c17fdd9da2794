-- Adds tasks by the same function as any other client. Ids are always given, so that answers are matched by them. Their events, where they
-- are wanted, are logged beside it.
select {schema}.enqueue_many($1, $2, $3, $4, $5, $6, $7, $8::text[]::timestamptz[], $9, $10, $11, $12, $13, false)
