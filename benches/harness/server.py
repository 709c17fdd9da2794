"""The private server: started for a run, queried by psql, ended with the run."""

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
ROOT = BENCHES.parent
CONF = BENCHES / "server.conf"


def settings():
    """The lines of server.conf, as a dict."""
    lines = (line.split("#")[0].strip() for line in CONF.read_text().splitlines())
    return dict(map(str.strip, line.split("=", 1)) for line in lines if line)


class Server:
    """One cluster in a folder below `work`, with the settings of server.conf."""

    def __init__(self, work):
        self.folder = Path(work) / "server"
        shutil.rmtree(self.folder, ignore_errors=True)
        program = str(ROOT / "target/release/omniq-bench")
        given = [f"{key}={value}" for key, value in settings().items()]
        self.process = subprocess.Popen(
            [program, "server", str(self.folder), *given], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the private server did not start")
        said = json.loads(line)
        self.base = said["url"].rsplit("/", 1)[0]
        self.bin = Path(said["bin"])
        self.version = self.sql("show server_version").split()[0]
        self.data = Path(self.sql("show data_directory"))
        self.lend_extensions(Path(work) / "extensions")

    def lend_extensions(self, folder):
        """Gives a server that lacks pgcrypto the stand-ins of peers/extension; from PostgreSQL 18 on.

        They are copied to a folder that the server can read.
        """
        there = self.sql("select count(*) from pg_available_extensions where name = 'pgcrypto'") != "0"
        if there or int(self.sql("show server_version_num")) < 180000:
            return
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(BENCHES / "peers/extension", folder / "extension")
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)
        self.sql(f"alter system set extension_control_path = '$system:{folder.resolve()}'")
        self.sql("select pg_reload_conf()")

    def url(self, database):
        return f"{self.base}/{database}"

    def program(self, name):
        """A client program beside the server's, else from PATH; None if there is none."""
        beside = self.bin / name
        return str(beside) if beside.exists() else shutil.which(name)

    def psql(self, database):
        return [self.program("psql"), self.url(database), "-XqAt", "-v", "ON_ERROR_STOP=1"]

    def sql(self, query, database="postgres"):
        done = subprocess.run([*self.psql(database), "-c", query], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{query}: {done.stderr.strip()}")
        return done.stdout.strip()

    def postmaster(self):
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def databases(self):
        return self.sql("select datname from pg_database").split()

    def drop(self, database):
        self.sql(f'drop database if exists "{database}" with (force)')

    def copy(self, database, template):
        """Makes `database` a fresh copy of `template`, file by file, so that the copy writes no WAL of its own."""
        self.drop(database)
        self.sql(f'create database "{database}" template "{template}" strategy file_copy')

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)


class Session:
    """One open psql: for cheap polling, and to hold a snapshot."""

    def __init__(self, server, database):
        self.process = subprocess.Popen(
            server.psql(database), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, query):
        """The first field of the answer, which must be one row."""
        self.process.stdin.write(query + ";\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def kill_later(process, seconds):
    """Kills a program that hangs, so that a run cannot last forever. Cancel the timer when the program has ended."""
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    return timer


def environment(extra):
    """The environment of a measured program: that of this process, and its settings."""
    return {
        **os.environ,
        **{key: str(value) for key, value in extra.items()},
        "RUST_LOG": "error",
        "OMNIQ_LOG_LEVEL": "error",
    }
