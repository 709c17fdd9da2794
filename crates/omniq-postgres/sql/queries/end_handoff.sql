-- Once what is being handed to a worker is under way, says so on its channel: $1 the worker, $2 the channel.
select {schema}.end_handoff($1, $2)
