#!/usr/bin/python3
"""Databases on a volume that is cloned under load: the clone recovers like after a power cut."""

import glob
import os
import pathlib
import pwd
import shutil
import sqlite3
import subprocess
import threading

import lab
from lab import MIB, SystemTest

VOLUME_BYTES = 512 * MIB
SCALE = 2  # of pgbench: 200,000 accounts
SUMS = ("SELECT (SELECT sum(abalance) FROM pgbench_accounts),"
        " (SELECT sum(bbalance) FROM pgbench_branches),"
        " (SELECT sum(tbalance) FROM pgbench_tellers),"
        " (SELECT coalesce(sum(delta), 0) FROM pgbench_history),"
        " (SELECT count(*) FROM pgbench_history)")


def postgres_program(name):
    return max(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))


class Server:
    """A PostgreSQL server of its own, on a socket in the lab."""

    def __init__(self, test_lab, data, sockets):
        self.lab = test_lab
        self.data = data
        self.sockets = sockets
        self.log = pathlib.Path(str(sockets) + ".log")

    @staticmethod
    def as_postgres(*command):
        return ("setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups", *command)

    def initialize(self):
        lab.run(*self.as_postgres(postgres_program("initdb"), "--pgdata", self.data,
                                  "--auth=trust", "--no-locale", "--encoding=UTF8"),
                cwd=self.lab.directory)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = self.lab.start(
                *self.as_postgres("setpriv", "--pdeathsig", "QUIT", postgres_program("postgres"),
                                  "-D", self.data, "-k", self.sockets, "-c",
                                  "listen_addresses=", "-c", "shared_buffers=16MB"),
                cwd=self.lab.directory, stdout=log, stderr=log)
        lab.wait_until(self._answers, timeout=60, what=f"PostgreSQL, see {self.log},")

    def _answers(self):
        assert self.process.poll() is None, f"PostgreSQL ended:\n{self.log.read_text()[-3000:]}"
        return lab.run("pg_isready", "-q", "-h", self.sockets, check=False).returncode == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def pgbench(self, *arguments):
        return ("pgbench", "-h", str(self.sockets), "-U", "postgres", *arguments, "postgres")

    def query(self, text):
        return lab.run("psql", "-h", self.sockets, "-U", "postgres", "-At", "-F", " ", "-c", text,
                       "postgres").stdout.strip()


class DatabaseTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()
        self.source = self.controller.create_volume("src", VOLUME_BYTES)
        self.target = self.controller.create_volume("dst", VOLUME_BYTES)
        lab.run("mkfs.ext4", "-q", "-F", self.source)
        self.directory = self.mount(self.source, "source")

    def mount(self, path, name):
        return self.lab.mount_file_system(self.lab.attach_loop(path, "--direct-io=on"), name)


class PostgreSql(DatabaseTest):
    def start_server(self, directory, name):
        sockets = self.lab.make_directory(f"sockets-{name}")
        os.chown(sockets, pwd.getpwnam("postgres").pw_uid, -1)
        server = Server(self.lab, directory / "data", sockets)
        if not server.data.exists():
            shutil.chown(directory, "postgres", "postgres")
            server.initialize()
        server.start()
        return server

    def test_clone_under_pgbench_recovers_and_its_balances_add_up(self):
        server = self.start_server(self.directory, "source")
        lab.run(*server.pgbench("-i", "-q", "-s", str(SCALE)), timeout=120)
        load = self.lab.start(*server.pgbench("-c", "4", "-j", "1", "-T", "600"),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lab.wait_until(lambda: self.transactions(server) > 500, what="some transactions")

        clone = self.controller.create_clone("src", "dst", "--rate", "48M")
        self.controller.run("clone", "activate", clone)
        before = self.transactions(server)
        self.controller.run("clone", "start", clone)
        after = self.transactions(server)
        self.controller.wait_clone(clone)
        self.assertIsNone(load.poll(), "pgbench has ended: it got an error")
        lab.end_process(load)
        server.stop()

        recovered = self.mount(self.target, "target")
        (recovered / "data" / "postmaster.pid").unlink()
        clone_server = self.start_server(recovered, "target")
        self.assertIn("was not properly shut down", clone_server.log.read_text())
        accounts, branches, tellers, history, count = map(
            int, clone_server.query(SUMS).split())
        self.assertEqual([accounts, branches, tellers], [history] * 3)
        self.assertGreaterEqual(count, before, "a committed transaction is missing")
        self.assertLessEqual(count, after, "a transaction of after the start is there")
        lab.run(postgres_program("pg_amcheck"), "-h", clone_server.sockets, "-U", "postgres",
                "--install-missing", "--heapallindexed", "postgres")
        clone_server.stop()
        print(f"\nPostgreSQL: {count} transactions in the clone, {before} committed before its "
              f"start, {after} after", flush=True)

    @staticmethod
    def transactions(server):
        return int(server.query("SELECT count(*) FROM pgbench_history"))


class Sqlite(DatabaseTest):
    def test_clone_under_transactions_has_integrity(self):
        for journal in ("wal", "delete"):
            with self.subTest(journal=journal):
                self.clone_and_check(journal)

    def clone_and_check(self, journal):
        database = self.directory / f"{journal}.db"
        committed = [0]
        end = threading.Event()

        def write():
            connection = sqlite3.connect(database)
            connection.execute(f"PRAGMA journal_mode={journal}")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, filling BLOB)")
            connection.execute("CREATE INDEX by_filling ON log (filling)")
            while not end.is_set():
                with connection:
                    connection.execute("INSERT INTO log VALUES (?, randomblob(500))",
                                       (committed[0] + 1,))
                committed[0] += 1
            connection.close()

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        self.lab.on_close(end.set)
        lab.wait_until(lambda: committed[0] > 100, what="some transactions")
        target = f"dst-{journal}"
        self.controller.create_volume(target, VOLUME_BYTES)
        clone = self.controller.create_clone("src", target, "--rate", "64M")
        self.controller.run("clone", "activate", clone)
        before = committed[0]
        self.controller.run("clone", "start", clone)
        after = committed[0] + 1
        self.controller.wait_clone(clone)
        end.set()
        thread.join(60)
        self.assertGreater(committed[0], after)
        directory = self.mount(self.controller.path(target), target)
        connection = sqlite3.connect(directory / database.name)
        self.assertEqual(connection.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        count, newest = connection.execute("SELECT count(*), max(id) FROM log").fetchone()
        connection.close()
        self.assertEqual(count, newest)
        self.assertGreaterEqual(count, before)
        self.assertLessEqual(count, after)


if __name__ == "__main__":
    lab.main()
