noted as (
    insert into {schema}.end_notes (tasks, how)
    select array_agg({schema}.id_after(c.id, p.index)), 4
    from changed c
    cross join lateral generate_series(0, c.count - 1) as p(index)
    where c.linked and c.was = {dead} and (c.removed is null or get_bit(c.removed, p.index) = 0)
    having count(*) > 0
)
