"""A blocking script, without an event loop: counts the words of the text files in a folder, in the background.

python words.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from omniq import OmniQ, TaskFailed

app = OmniQ()


@app.task(max_retries=0)
def count_words(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").split())


def main(folder: Path) -> None:
    files = sorted(folder.resolve().glob("*.txt"))
    with app, app.worker():
        handles = count_words.enqueue_many(files)
        for file, handle in zip(files, handles, strict=True):
            try:
                print(f"{handle.result(timeout=60):8} {file.name}")
            except TaskFailed as failed:
                print(f"       ? {file.name}: {failed.error and failed.error.message}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
