-- $1 limit int8
-- omniq: purge_results
with over as materialized (
    select r.task_id, r.count, r.expires_at, r.removed, (r.count - coalesce(bit_count(r.removed), 0)) as present
    from "omniq".result_segments r
    where r.expires_at <= now() limit $1
    for update skip locked
), sized as (
    select o.*, sum(o.present) over (order by o.expires_at, o.task_id, o.count) - o.present as before from over o
), deleted as (
    delete from "omniq".result_segments r using sized s
    where r.task_id = any (array[s.task_id]) and r.count = s.count and r.expires_at = s.expires_at
      and s.before + s.present <= $1
    returning (r.count - coalesce(bit_count(r.removed), 0)) as present
), marked as (
    update "omniq".result_segments r
    set removed = coalesce(r.removed, "omniq".zeros(r.count)) | (
        -- The first ones, as many as are still to be removed.
        select string_agg(case when p.no <= $1 - s.before then '1' else '0' end, '' order by p.index)::bit varying
        from (select i.index, sum(case when s.removed is null or get_bit(s.removed, i.index) = 0 then 1 else 0 end)
                              over (order by i.index) as no
              from generate_series(0, s.count - 1) as i(index)) p)
    from sized s
    where r.task_id = any (array[s.task_id]) and r.count = s.count and r.expires_at = s.expires_at
      and s.before < $1 and s.before + s.present > $1
    returning $1 - s.before as present
)
select coalesce(sum(a.present), 0)::bigint from (select present from deleted union all select present from marked) a
