"""Workers: they run an application's tasks, on an event loop, in threads and in processes.

Claims, leases, heartbeats, retries, timeouts and results are handled by the Rust side, on its own threads: a task that
holds the interpreter for a minute does not lose its lease.
"""

from omniq.worker.options import WorkerOptions
from omniq.worker.worker import AsyncWorker, Worker

__all__ = ["AsyncWorker", "Worker", "WorkerOptions"]
