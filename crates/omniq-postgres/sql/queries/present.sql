(t.count - coalesce(bit_count(t.gone), 0))
