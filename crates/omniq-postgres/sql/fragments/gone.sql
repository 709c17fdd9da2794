noted as (
    insert into {schema}.end_notes (tasks, how)
    select array_agg({schema}.id_after(d.id, p.index)), 3
    from deleted d
    cross join lateral generate_series(0, d.count - 1) as p(index)
    where d.linked and (d.removed is null or get_bit(d.removed, p.index) = 0)
    having count(*) > 0
)
