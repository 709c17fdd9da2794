-- omniq: roll_up_counts
select "omniq".roll_up_counts($1)
