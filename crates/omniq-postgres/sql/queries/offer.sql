-- From now on tasks are handed to this worker.
select {schema}.offer($1)
