-- $1 limit int4
-- omniq: clean_keys
select "omniq".clean_keys($1)
