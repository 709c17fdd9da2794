-- $1 worker int8
-- omniq: open_inbox
select "omniq".open_inbox($1)
