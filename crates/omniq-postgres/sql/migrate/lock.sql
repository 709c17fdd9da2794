-- One migration at a time per schema; the lock ends with the transaction.
select pg_catalog.pg_advisory_xact_lock($1)
