-- Listens on the channel $1 of a worker.
select {schema}.listen_on($1)
