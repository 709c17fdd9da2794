-- $1 limit int4
-- $2 alone int8
-- omniq: advance
select a.again, a.has_broken from "omniq".advance($1, $2) a
