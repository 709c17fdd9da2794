clock_timestamp(), s.name, s.app, s.version, s.created_at, s.anchor, s.next_at, s.last_at, s.last_task, s.runs, s.paused_at, s.definition, s.payload
