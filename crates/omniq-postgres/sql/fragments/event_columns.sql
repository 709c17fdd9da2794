e.id, e.at, e.kind, e.task_id, e.queue, e.func, e.worker, e.attempt, e.data
