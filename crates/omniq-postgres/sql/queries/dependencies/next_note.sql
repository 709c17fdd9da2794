-- The first note of ends after :since, if there is one.
-- params: since bigint
-- read only
select n.id from {schema}.end_notes n where n.id > :since order by n.id limit 1
