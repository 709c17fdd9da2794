-- Listens on the channel $1 of a worker.
select {schema}.hear($1)
