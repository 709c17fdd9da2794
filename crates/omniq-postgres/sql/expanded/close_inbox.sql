-- $1 worker int8
-- omniq: close_inbox
select "omniq".close_inbox($1)
