case when g.worker is not null then t.worker = g.worker and t.claims = g.number and g.outcome <> 'expire'
                   else t.worker is null
                        and (t.state in ({scheduled}, {ready}) and (g.outcome = 'cancel' or g.outcome = 'expire' and t.expires_at <= now())
                             or t.state = {blocked}
                                and (g.outcome = 'cancel'
                                     or g.outcome = 'fail' and exists (
                                         select from {schema}.nodes n join {schema}.waits w on w.id = n.wait
                                         where n.id = t.id and w.broken is not null))) end
