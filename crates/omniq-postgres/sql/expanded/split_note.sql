-- $1 note int8
-- omniq: split_note
select "omniq".split_note($1)
