-- Removes results and counts those whose time was not over. By runs: $1 the first task of each, $2 mask from it on.
select {schema}.remove_results($1, $2)
