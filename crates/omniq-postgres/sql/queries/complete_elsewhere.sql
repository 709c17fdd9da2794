-- Completes a task on a connection of any driver, in whatever transaction it is: types are written down.
select {schema}.complete(cast(cast($1 as text) as jsonb), cast($2 as bytea))
