case when d.no = r.no and r.distance - d.distance between 0 and length(d.hits) - 1
              then get_bit(d.hits, r.distance - d.distance) = 1 end
