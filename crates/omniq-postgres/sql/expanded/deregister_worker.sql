-- $1 worker int8
-- omniq: deregister_worker
with beats as (
    delete from "omniq".heartbeats where worker = $1
)
delete from "omniq".workers where id = $1
returning cancelled, cancelled_seqs
