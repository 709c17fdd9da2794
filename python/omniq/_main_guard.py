"""Detects that a process for tasks runs the program's script again, because the script has no main guard.

A new process loads the script that started the program, because tasks may be defined in it. A script without a main
guard thereby starts the program again: it would enqueue everything a second time, and wait for ever.
"""

from __future__ import annotations

import os
import sys

#: The name of processes that run tasks.
NAME = "omniq-task"
#: Their exit code if the script has begun to run again.
CODE = 97
#: The remedy that messages name.
REMEDY = 'put what starts the program behind `if __name__ == "__main__":`'


def check() -> None:
    """Ends this process if it is a process for tasks that still loads the script. Called before the first connection or
    run."""
    module = sys.modules.get("multiprocessing.process")
    if module is None:
        return
    process = module.current_process()
    # multiprocessing detects by the same attribute that a process is started while the script is loaded.
    if process.name == NAME and getattr(process, "_inheriting", False):
        print(f"omniq: the script runs again in the process of a task: {REMEDY}", file=sys.stderr, flush=True)
        # Not an exception, because the script could catch it.
        os._exit(CODE)
