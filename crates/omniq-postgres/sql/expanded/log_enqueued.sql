-- omniq: log_enqueued
select "omniq".log_enqueued($1, $2, $3)
