-- $1 firsts uuid[]
-- $2 masks varbit[]
-- omniq: delete_results
select "omniq".remove_results($1, $2)
