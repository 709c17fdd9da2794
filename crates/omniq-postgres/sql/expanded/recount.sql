-- omniq: recount
select "omniq".recount()
