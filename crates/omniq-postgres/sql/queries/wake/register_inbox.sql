-- Notes the functions of a worker and the channel of its inbox.
-- params: worker bigint, funcs text[], channel text
-- writes: workers
update {schema}.workers set funcs = :funcs, channel = :channel where id = :worker
