(:queue is null or t.queue = :queue)
  and (:state is null or t.state = :state)
  and (:running is null or (t.worker is not null) = :running)
  and (:func is null or t.func = :func)
