-- omniq: end_handoff
select "omniq".end_handoff($1, $2)
