-- $1 last int8
-- omniq: next_note
select n.id from "omniq".end_notes n where n.id > $1 order by n.id limit 1
