-- Nothing more is handed to this worker.
select {schema}.close_inbox($1)
