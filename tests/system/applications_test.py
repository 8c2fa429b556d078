#!/usr/bin/python3
"""Applications on a volume whose controller is killed again and again: none of them sees anything
but a pause. By hand, longer:

    applications_test.py [--kills N] [--seed N]
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import threading
import time

import lab
import postgres
from lab import MIB, SystemTest
from writers import Writer

options = argparse.Namespace(kills=8, seed=1)

FILE_SYSTEM_BYTES = 512 * MIB
SCALE = 2  # of pgbench: 200,000 accounts
BAD_NEWS = ("error", "corrupt", "blocked for more than", "aborting")


class KernelLog:
    """What the kernel says from now on."""

    def __init__(self):
        self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._fd, 0, os.SEEK_END)

    def bad_news_of(self, device):
        """Lines about a loop device or the file system on it; other tests have others."""
        name = os.path.basename(device)
        found = []
        while True:
            try:
                line = os.read(self._fd, 8192).decode(errors="replace")
            except BlockingIOError:
                return found
            except BrokenPipeError:  # overwritten before it was read
                continue
            if name in line and any(word in line.lower() for word in BAD_NEWS):
                found.append(line)

    def close(self):
        os.close(self._fd)


class ApplicationsTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.random = random.Random(options.seed)
        self.controller = self.lab.start_controller(options=("--liveness-timeout", "1"))

    def kill_now_and_then(self, often=None):
        for _ in range(often or options.kills):
            time.sleep(self.random.uniform(0.05, 0.6))
            pid = self.controller.kill_controller()
        self.controller.wait_restarted(pid)

    def make_file_system(self):
        self.volume = self.controller.create_volume("disk", FILE_SYSTEM_BYTES)
        lab.run("mkfs.ext4", "-q", "-F", self.volume)
        self.kernel = KernelLog()
        self.lab.on_close(self.kernel.close)
        self.device = self.lab.attach_loop(self.volume, "--direct-io=on")
        return self.lab.mount_file_system(self.device, "disk")

    def check_file_system(self, directory):
        lab.unmount(directory)
        self.assertEqual(self.kernel.bad_news_of(self.device), [])
        lab.run("e2fsck", "-f", "-n", self.device)
        return self.lab.mount_file_system(self.device, "disk")


class FileSystem(ApplicationsTest):
    """Every way of writing to files of ext4 on a loop device on a volume."""

    WAYS = {
        "buffered": ("--ioengine=psync", "--bs=16k"),
        "synced": ("--ioengine=psync", "--bs=4k", "--fsync=1"),
        "direct": ("--ioengine=libaio", "--bs=64k", "--iodepth=8", "--direct=1"),
        "mapped": ("--ioengine=mmap", "--bs=4k"),
    }

    def test_ext4_stays_clean_and_its_files_right(self):
        directory = self.make_file_system()
        content = random.Random(options.seed).randbytes(8 * MIB)
        wanted = hashlib.sha256(content).hexdigest()
        hosts = self.start_hosts(directory)
        end = threading.Event()
        self.lab.on_close(end.set)
        copies = []

        def copy():  # and whole files, again and again
            while not end.is_set():
                path = directory / f"copy-{len(copies) % 10}"
                path.write_bytes(content)
                copies.append(path)
        copier = threading.Thread(target=copy, daemon=True)
        copier.start()
        self.kill_now_and_then()
        end.set()
        copier.join(60)
        self.stop_hosts(hosts)
        self.assertGreater(len(copies), 10)
        directory = self.check_file_system(directory)
        for path in set(copies):
            self.assertEqual(hashlib.sha256(path.read_bytes()).hexdigest(), wanted, path)

    def start_hosts(self, directory):
        """fio, which verifies what it wrote as it goes."""
        return {name: self.lab.start(
            "fio", f"--name={name}", f"--filename={directory}/{name}", "--size=24M",
            "--rw=randwrite", "--verify=crc32c", "--verify_fatal=1", "--verify_backlog=256",
            "--time_based", "--runtime=3600", f"--randseed={options.seed}", *way,
            cwd=self.lab.directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for name, way in self.WAYS.items()}

    def stop_hosts(self, hosts):
        for name, process in hosts.items():
            self.assertIsNone(process.poll(), f"{name} has ended: it got an error")
            process.send_signal(signal.SIGINT)
        for name, process in hosts.items():
            self.assertIn(process.wait(60), (0, 128), name)  # 128: ended by a signal, no error


class Database(ApplicationsTest):
    def test_postgresql_loses_no_transaction_and_never_restarts(self):
        directory = self.make_file_system()
        server = postgres.start_server(self.lab, directory, "disk")
        lab.run(*server.pgbench("-i", "-q", "-s", str(SCALE)), timeout=180)
        log = self.lab.directory / "pgbench.log"
        with open(log, "wb") as output:
            load = self.lab.start(*server.pgbench("-c", "4", "-j", "1", "-T", "3600"),
                                  stdout=output, stderr=output)
        lab.wait_until(lambda: server.transactions() > 100, what="some transactions")
        before = server.transactions()
        self.kill_now_and_then()
        self.assertIsNone(load.poll(), "pgbench has ended: it got an error")
        lab.wait_until(lambda: server.transactions() > before, what="more transactions")
        load.send_signal(signal.SIGINT)
        load.wait(30)
        self.assertNotIn("error", log.read_text().lower())
        self.assertIsNone(server.process.poll())
        count = server.assert_balanced(self)
        said = server.log.read_text()
        for word in ("PANIC", "could not write", "could not read", "could not fsync",
                     "could not open", "terminated by signal", "not properly shut down"):
            self.assertNotIn(word, said)
        self.assertEqual(said.count("ready to accept connections"), 1)
        server.stop()
        self.check_file_system(directory)
        print(f"\nPostgreSQL: {count} transactions, {options.kills} kills", flush=True)


class StaleWriter(ApplicationsTest):
    """A controller that was stopped in the middle of writes, and wakes after its replacement."""

    BLOCKS = 16

    def test_newer_writes_stand(self):
        volume = self.controller.create_volume("vol", 4 * MIB)
        writers = [Writer(volume, number, number * self.BLOCKS, self.BLOCKS)
                   for number in range(8)]
        for writer in writers:
            self.lab.on_close(writer.stop)
            writer.resume()
        for _ in range(max(3, options.kills // 4)):
            time.sleep(self.random.uniform(0.2, 0.5))
            stale = self.controller.controller_pid()
            pidfd = os.pidfd_open(stale)
            os.kill(stale, signal.SIGSTOP)
            self.controller.wait_restarted(stale)
            acknowledged = [writer.acknowledged for writer in writers]
            lab.wait_until(lambda: all(writer.acknowledged > before for writer, before
                                       in zip(writers, acknowledged)), what="newer writes")
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGCONT)
            except ProcessLookupError:
                pass  # it has been reaped
            os.close(pidfd)
            self.assertFalse(lab.is_alive(stale))
        time.sleep(0.5)
        for writer in writers:
            writer.stop()
            self.assertEqual(writer.errors, 0)
            writer.check_present(volume)


if __name__ == "__main__":
    lab.main(options)
