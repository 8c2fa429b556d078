"""A PostgreSQL server of a test's own."""

import glob
import os
import pathlib
import pwd
import shutil

import lab

SUMS = ("SELECT (SELECT sum(abalance) FROM pgbench_accounts),"
        " (SELECT sum(bbalance) FROM pgbench_branches),"
        " (SELECT sum(tbalance) FROM pgbench_tellers),"
        " (SELECT coalesce(sum(delta), 0) FROM pgbench_history),"
        " (SELECT count(*) FROM pgbench_history)")


def program(name):
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
        lab.run(*self.as_postgres(program("initdb"), "--pgdata", self.data,
                                  "--auth=trust", "--no-locale", "--encoding=UTF8"),
                cwd=self.lab.directory)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = self.lab.start(
                *self.as_postgres("setpriv", "--pdeathsig", "QUIT", program("postgres"),
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

    def transactions(self):
        return int(self.query("SELECT count(*) FROM pgbench_history"))

    def assert_balanced(self, test):
        """Whole transactions only. Returns how many."""
        accounts, branches, tellers, history, count = map(int, self.query(SUMS).split())
        test.assertEqual([accounts, branches, tellers], [history] * 3)
        return count


def start_server(test_lab, directory, name):
    """A server whose data are in `directory`; made there if there are none."""
    sockets = test_lab.make_directory(f"sockets-{name}")
    os.chown(sockets, pwd.getpwnam("postgres").pw_uid, -1)
    server = Server(test_lab, directory / "data", sockets)
    if not server.data.exists():
        shutil.chown(directory, "postgres", "postgres")
        server.initialize()
    server.start()
    return server
