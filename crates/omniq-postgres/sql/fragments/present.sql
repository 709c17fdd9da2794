(t.count - coalesce(bit_count(t.removed), 0))
