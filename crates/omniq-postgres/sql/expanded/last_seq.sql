-- omniq: last_seq
select "omniq".last_seq()
