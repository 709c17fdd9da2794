-- Gives a running task a row of its own under the same claim, so that its completion locks no other task. Changes nothing if it has its own
-- row.
-- params: id uuid, base_id uuid, worker bigint, number integer
-- index: tasks_id
-- locks: the segment, for update
-- writes: tasks
-- rows: whole
-- cursors: kept: the task stays with its worker
with found as materialized (
    select t.id, t.count, {schema}.offset_of(:id) - {schema}.offset_of(t.id) as index,
           bit_count(coalesce(t.removed, {schema}.zeros(t.count))) + 1 = t.count as last
    from {schema}.tasks t
    where t.id >= :base_id and t.id <= :id and t.count > 1 and {schema}.offset_of(:id) - {schema}.offset_of(t.id) < t.count
      and t.worker = :worker and t.claims = :number
      and (t.removed is null or get_bit(t.removed, {schema}.offset_of(:id) - {schema}.offset_of(t.id)) = 0)
    for update
), deleted as (
    delete from {schema}.tasks t using found f
    where t.id = any (array[f.id]) and t.count = f.count and f.last
    returning t.*, f.index
), marked as (
    update {schema}.tasks t
    set removed = set_bit(coalesce(t.removed, {schema}.zeros(t.count))::bit varying, f.index, 1)
    from found f
    where t.id = any (array[f.id]) and t.count = f.count and not f.last
    returning t.*, f.index
)
insert into {schema}.tasks (
    id, seq, payloads, state, run_at, expires_at, attempt, claims, error, worker, claimed_at, {shared_columns})
select :id, t.seq - t.count + 1 + t.index, t.payloads[t.index + 1:t.index + 1], t.state, t.run_at, t.expires_at, t.attempt, t.claims,
       t.error, t.worker, t.claimed_at, {shared_columns}
from (select * from deleted union all select * from marked) t
