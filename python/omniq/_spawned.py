"""Whether this process is to run a task and runs the program's script once more, for want of a main guard.

A fresh process loads the script that the program was started by, since tasks may be defined in it. A script without a main guard
starts the program again by that: it would enqueue everything a second time, and wait for ever.
"""

from __future__ import annotations

import os
import sys

#: The name of processes that run tasks.
NAME = "omniq-task"
#: Their exit code if the script has begun to run again.
CODE = 97
#: What to do about it.
REMEDY = 'put what starts the program behind `if __name__ == "__main__":`'


def check() -> None:
    """Ends this process if it is one for tasks and still loads the script; called before anything is connected or run."""
    module = sys.modules.get("multiprocessing.process")
    if module is None:
        return
    process = module.current_process()
    # As multiprocessing itself notices that a process is started while the script is loaded.
    if process.name == NAME and getattr(process, "_inheriting", False):
        print(f"omniq: the script runs again in the process of a task: {REMEDY}", file=sys.stderr, flush=True)
        # An exception would be one that the script may catch.
        os._exit(CODE)
