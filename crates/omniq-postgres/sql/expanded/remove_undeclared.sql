-- omniq: remove_undeclared
select "omniq".remove_undeclared()
