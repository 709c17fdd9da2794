-- $1 limit int4
-- omniq: clean_dependencies
select "omniq".clean_dependencies($1)
