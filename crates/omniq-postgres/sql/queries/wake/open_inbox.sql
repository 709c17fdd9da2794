-- From now on tasks may be handed off to this worker.
-- params: worker bigint
-- locks: advisory, shared
select {schema}.open_inbox(:worker)
