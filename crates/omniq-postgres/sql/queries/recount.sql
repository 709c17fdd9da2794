-- Counts anew what is there.
select {schema}.recount()
