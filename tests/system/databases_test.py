#!/usr/bin/python3
"""Databases on a volume that is cloned under load: the clone recovers like after a power cut."""

import sqlite3
import subprocess
import threading

import lab
import postgres
from lab import MIB, SystemTest

VOLUME_BYTES = 512 * MIB
SCALE = 2  # of pgbench: 200,000 accounts


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
    def test_clone_under_pgbench_recovers_and_its_balances_add_up(self):
        server = postgres.start_server(self.lab, self.directory, "source")
        lab.run(*server.pgbench("-i", "-q", "-s", str(SCALE)), timeout=120)
        load = self.lab.start(*server.pgbench("-c", "4", "-j", "1", "-T", "600"),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lab.wait_until(lambda: server.transactions() > 500, what="some transactions")

        clone = self.controller.create_clone("src", "dst", "--rate", "48M")
        self.controller.run("clone", "activate", clone)
        before = server.transactions()
        self.controller.run("clone", "start", clone)
        after = server.transactions()
        self.controller.wait_clone(clone)
        self.assertIsNone(load.poll(), "pgbench has ended: it got an error")
        lab.end_process(load)
        server.stop()

        recovered = self.mount(self.target, "target")
        (recovered / "data" / "postmaster.pid").unlink()
        clone_server = postgres.start_server(self.lab, recovered, "target")
        self.assertIn("was not properly shut down", clone_server.log.read_text())
        count = clone_server.assert_balanced(self)
        self.assertGreaterEqual(count, before, "a committed transaction is missing")
        self.assertLessEqual(count, after, "a transaction of after the start is there")
        lab.run(postgres.program("pg_amcheck"), "-h", clone_server.sockets, "-U", "postgres",
                "--install-missing", "--heapallindexed", "postgres")
        clone_server.stop()
        print(f"\nPostgreSQL: {count} transactions in the clone, {before} committed before its "
              f"start, {after} after", flush=True)


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
            # EXTRA: in the mode delete a commit is durable only once the directory is synced.
            connection.execute("PRAGMA synchronous=EXTRA")
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
