case when d.no = r.no and r.place - d.behind between 0 and length(d.hits) - 1
              then get_bit(d.hits, r.place - d.behind) = 1 end
