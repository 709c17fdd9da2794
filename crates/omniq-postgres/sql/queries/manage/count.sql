-- How many tasks, by the counts that are kept.
-- params: queue text, state smallint, running boolean
-- read only
select coalesce(sum(case when :state is null then c.ready + c.scheduled + c.running + c.dead + c.completed + c.blocked
                         when :state = {scheduled} then c.scheduled
                         when :state = {ready} and :running then c.running
                         when :state = {ready} then c.ready
                         when :state = {dead} then c.dead
                         when :state = {completed} then c.completed
                         when :state = {blocked} then c.blocked end), 0)::bigint
from {schema}.counts_of(:queue) c
