-- Removes results by task ids and counts those whose time was not over.
with gone as (
    delete from {schema}.results r where r.task_id = any ($1) returning {result_live} as live
)
select count(*) from gone where live
