-- Sets what the statements rely on: $1 names, $2 values, $3 for this transaction only.
select pg_catalog.set_config(s.name, s.value, $3) from unnest($1, $2) as s(name, value)
