
    union all
    -- What stays was held: without a claim there is no outcome but to leave.
    select c.queue, h.state, h.running, case when h.running then -c.tasks else c.tasks end
    from changed c, lateral (values (1, true), (c.state, false)) as h(state, running)
    union all
    select a.queue, a.state, false, 1 from apart a
