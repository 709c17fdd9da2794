
    union all
    -- What stays was held: without a claim there is no outcome but to leave.
    select c.queue, h.state, h.held, case when h.held then -c.tasks else c.tasks end
    from changed c, lateral (values (1, true), (c.state, false)) as h(state, held)
    union all
    select a.queue, a.state, false, 1 from apart a
