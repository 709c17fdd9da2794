-- $1 at_least int4
-- omniq: roll_up_counts
select "omniq".roll_up_counts($1)
