-- From now on no more tasks are handed off to this worker.
-- params: worker bigint
select {schema}.close_inbox(:worker)
