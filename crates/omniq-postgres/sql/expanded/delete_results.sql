-- omniq: delete_results
select "omniq".remove_results($1, $2)
