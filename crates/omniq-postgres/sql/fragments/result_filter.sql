(:status is null or r.status = :status)
  and (:queue is null or r.queue = :queue)
  and (:func is null or r.func = :func)
  and (:error is null or r.error->>'type' = :error)
  and (:error_start is null or starts_with(r.error->>'type', :error_start))
  and (:since is null or r.finished_at >= :since)
  and (:until is null or r.finished_at < :until)
  and {result_live}
  and (:after is null or r.finished_at <= :after)
