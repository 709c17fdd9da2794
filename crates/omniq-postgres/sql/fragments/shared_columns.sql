queue, func, codec, priority, max_retries, options, metadata, created_at, linked
