(r.count - coalesce(bit_count(r.gone), 0))
