(r.count - coalesce(bit_count(r.removed), 0))
