-- omniq: close_inbox
select "omniq".close_inbox($1)
