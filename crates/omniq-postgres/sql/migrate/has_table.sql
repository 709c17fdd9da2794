-- Whether there is a table of applied migrations: $1 its name, quoted, with its schema.
select pg_catalog.to_regclass($1) is not null
