-- $1 worker int8
-- $2 channel text
-- omniq: end_handoff
select "omniq".end_handoff($1, $2)
