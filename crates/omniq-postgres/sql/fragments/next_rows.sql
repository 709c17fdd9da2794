select * from (
                    select t.ctid as at, t.count, t.removed from {schema}.tasks t
                    where {claimable} and t.priority > coalesce(q.priority, -32769)
                    order by t.priority desc, t.seq limit :limit for update skip locked) above
                union all
                select * from (
                    select t.ctid as at, t.count, t.removed from {schema}.tasks t
                    where {claimable} and t.priority = q.priority and t.seq >= q.seq
                    order by t.priority desc, t.seq limit :limit for update skip locked) onward
                union all
                select * from (
                    select t.ctid as at, t.count, t.removed from {schema}.tasks t
                    where {claimable} and t.priority < q.priority
                    order by t.priority desc, t.seq limit :limit for update skip locked) below