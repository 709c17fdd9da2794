-- Nothing more is handed to this worker.
select {schema}.withdraw_offer($1)
