-- From now on tasks are handed to this worker.
select {schema}.open_inbox($1)
