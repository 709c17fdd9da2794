-- Removes results that have expired, at most :limit, and counts them. The last row may keep some.
-- params: limit bigint
-- index: expires_at_idx for 100
-- locks: their segments, skip locked
-- writes: result_segments
with over as materialized (
    select r.task_id, r.count, r.expires_at, r.removed, {result_present} as present
    from {schema}.result_segments r
    where r.expires_at <= now() limit :limit
    for update skip locked
), sized as (
    select o.*, sum(o.present) over (order by o.expires_at, o.task_id, o.count) - o.present as before from over o
), deleted as (
    delete from {schema}.result_segments r using sized s
    where r.task_id = any (array[s.task_id]) and r.count = s.count and r.expires_at = s.expires_at
      and s.before + s.present <= :limit
    returning {result_present} as present
), marked as (
    update {schema}.result_segments r
    set removed = coalesce(r.removed, {schema}.zeros(r.count)) | (
        -- The first ones, as many as are still to be removed.
        select string_agg(case when p.no <= :limit - s.before then '1' else '0' end, '' order by p.index)::bit varying
        from (select i.index, sum(case when s.removed is null or get_bit(s.removed, i.index) = 0 then 1 else 0 end)
                              over (order by i.index) as no
              from generate_series(0, s.count - 1) as i(index)) p)
    from sized s
    where r.task_id = any (array[s.task_id]) and r.count = s.count and r.expires_at = s.expires_at
      and s.before < :limit and s.before + s.present > :limit
    returning :limit - s.before as present
)
select coalesce(sum(a.present), 0)::bigint from (select present from deleted union all select present from marked) a
