-- The first note of ends after :last, if there is one.
-- params: last bigint
-- read only
select n.id from {schema}.end_notes n where n.id > :last order by n.id limit 1
