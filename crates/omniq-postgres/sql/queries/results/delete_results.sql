-- Removes results and counts those that had not expired. The ids are grouped by base id: the first, and a mask that begins there.
-- params: firsts uuid[], masks bit varying[]
-- locks: their segments, for update
-- writes: result_segments
select {schema}.remove_results(:firsts, :masks)
