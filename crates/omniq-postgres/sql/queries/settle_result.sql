, forgotten as materialized (
    -- What earlier lives of these tasks have left goes first; all in one call, as most of its cost is its own, and each run once.
    select {schema}.remove_results(array_agg(w.first order by w.first), array_agg(w.mask order by w.first))
    from (
        select {schema}.id_after(v.base_id, v.low) as first,
               bit_or({schema}.shift_mask(v.hits, v.low - v.first_offset, v.high - v.low))::bit varying as mask
        from (
            select u.*, min(u.first_offset) over segment as low, max(u.first_offset + length(u.hits)) over segment as high
            from (
                select {schema}.id_after(r.task_id, -{schema}.offset_of(r.task_id)) as base_id,
                       {schema}.offset_of(r.task_id) + p.low - r.distance as first_offset,
                       (substring(r.mask from p.low - r.distance + 1 for greatest(p.high - p.low, 0))
                        & substring(d.hits from p.low - d.distance + 1 for greatest(p.high - p.low, 0)))::bit varying as hits
                from unnest($12::integer[], $13::integer[], $14::uuid[], $16::bit varying[]) as r(no, distance, task_id, mask)
                join done d on d.no = r.no and d.again
                cross join lateral (
                    select greatest(r.distance, d.distance) as low,
                           least(r.distance + length(r.mask), d.distance + length(d.hits)) as high) p
            ) u
            where bit_count(u.hits) > 0
            window segment as (partition by u.base_id)
        ) v
        group by v.base_id, v.low
    ) w
    having count(*) > 0
), stored as (
    -- A row each, of one result or of many of a group: $12 the group, $13 how far behind the group's first task the row begins, $14 its
    -- first task, $15 shape, $16 mask, $17 the value if it is one, else $18 where in $19 its values begin. What belongs to tasks of
    -- several rows is parted as they are.
    insert into {schema}.result_segments (
        task_id, count, removed, "values", status, codec, error, queue, func, worker, attempt, metadata,
        enqueued_at, started_at, finished_at, expires_at)
    select {schema}.id_after(r.task_id, p.low - r.distance), p.high - p.low,
           case when bit_count(h.hits) < p.high - p.low then (~h.hits)::bit varying end,
           case when r.start is null then array[r.value]
                else ($19::bytea[])[r.start + p.low - r.distance:r.start + p.high - r.distance - 1] end,
           ($25::text[])[r.shape], ($26::text[])[r.shape], r.error::jsonb, ($27::text[])[r.shape],
           ($28::text[])[r.shape], ($29::text[])[r.shape], ($30::integer[])[r.shape], r.metadata::jsonb,
           r.enqueued_at, r.started_at, r.finished_at,
           coalesce(clock_timestamp() + make_interval(secs => ($31::double precision[])[r.shape]), 'infinity')
    from unnest($12::integer[], $13::integer[], $14::uuid[], $15::integer[], $16::bit varying[], $17::bytea[], $18::integer[],
                $20::text[], $21::text[], $22::timestamptz[], $23::timestamptz[], $24::timestamptz[])
         as r(no, distance, task_id, shape, mask, value, start, error, metadata, enqueued_at, started_at, finished_at)
    join done d on d.no = r.no
    cross join lateral (
        select greatest(r.distance, d.distance) as low,
               least(r.distance + length(r.mask), d.distance + length(d.hits)) as high) p
    cross join lateral (
        select substring(r.mask from p.low - r.distance + 1 for greatest(p.high - p.low, 0))
               & substring(d.hits from p.low - d.distance + 1 for greatest(p.high - p.low, 0)) as hits) h
    where bit_count(h.hits) > 0 and (select count(*) from forgotten) >= 0
)
