-- Whether there is a table of applied migrations. :table is its quoted name with its schema.
-- params: table text
-- read only
select pg_catalog.to_regclass(:table) is not null
