-- Notes what may be handed to a worker: $1 its id, $2 its functions, $3 the channel on which it hears of it.
update {schema}.workers set funcs = $2, channel = $3 where id = $1
