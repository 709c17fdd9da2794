-- $1 since int8
-- $2 limit int4
-- omniq: advance
select a.last, a.again, a.has_broken from "omniq".advance($1, $2) a
