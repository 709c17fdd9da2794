"""The backends: task queue, results and events in one object."""
