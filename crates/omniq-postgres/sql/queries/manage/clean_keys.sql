-- Deletes keys that nothing holds, about :limit, and answers how many it has looked at.
-- params: limit integer
-- locks: keys, skip locked
-- writes: keys
select {schema}.clean_keys(:limit)
