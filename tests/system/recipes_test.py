#!/usr/bin/python3
"""The recipes of docs/recipes.md, typed as they stand there on two machines and a client."""

import re
import subprocess
import threading
import time

import lab
import recipes
from lab import MIB, SystemTest
from postgres import SUMS

DISK_BYTES = 128 * MIB
SCALE = 2  # of pgbench: 200,000 accounts


class RecipeTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.pair = recipes.Machines(self.lab)
        self.left, self.right = self.pair.left, self.pair.right

    def make_disk(self, data_bytes=0):
        """The volume `disk`, with so much random data in it."""
        self.pair["left"].create_volume("disk", DISK_BYTES)
        if data_bytes:
            self.left.sh(f"head -c {data_bytes} /dev/urandom | dd of=/mnt/volumes/disk bs=1M "
                         "iflag=fullblock conv=notrunc")

    def lose_left(self):
        """As a machine that loses its power. Returns when right owns the pool."""
        self.pair.kill_node("left")
        self.pair.wait_owner("right")

    def start_load(self, machine, *command):
        """A program of a machine; its output is for check_load()."""
        log = open(self.lab.directory / "load.log", "wb")  # pylint: disable=consider-using-with
        self.addCleanup(log.close)
        self.load = machine.start(*command, stdout=log, stderr=log)

    def check_load(self):
        """It goes on."""
        self.assertIsNone(self.load.poll(), (self.lab.directory / "load.log").read_text()[-2000:])


class Page(SystemTest):
    def test_every_block_for_a_shell_is_typed(self):
        tests = "".join(path.read_text() for path in (lab.SOURCE / "tests/system").glob("recipes*_test.py"))
        typed = set(re.findall(r'\b(?:type|text_of)\("([\w-]+)"', tests))
        names = [name for language, name, _ in recipes.fences() if language == "sh"]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(set(names), typed)


class PostgreSql(RecipeTest):
    def psql(self, machine, text, port=5433):
        return machine.sh(f'runuser -u postgres -- psql -p {port} -At -F " " -c "{text}" postgres').strip()

    def transactions(self):
        return int(self.psql(self.left, "SELECT count(*) FROM pgbench_history"))

    def check_balances(self, machine, port):
        """Whole transactions only. Returns how many."""
        accounts, branches, tellers, history, count = map(int, self.psql(machine, SUMS, port).split())
        self.assertEqual([accounts, branches, tellers], [history] * 3)
        return count

    def test_postgresql_is_cloned_and_moves_to_the_other_machine(self):
        self.left.type("postgresql-create")
        pgbench = ("runuser", "-u", "postgres", "--", "pgbench", "-p", "5433")
        self.left.run(*pgbench, "-i", "-q", "-s", SCALE, "postgres")
        self.start_load(self.left, *pgbench, "-c", "4", "-T", "3600", "postgres")
        lab.wait_until(lambda: self.transactions() > 100, what="some transactions")

        before = self.transactions()
        self.left.type("postgresql-clone")
        after = self.transactions()
        count = self.check_balances(self.left, 5434)
        self.assertGreaterEqual(count, before, "a committed transaction is missing")
        self.assertLessEqual(count, after, "a transaction of after T0 is there")
        self.assertGreater(after, count, "nothing was written after T0")

        self.pair.change_owners()
        self.check_load()
        lab.wait_until(lambda: self.transactions() > after, what="more transactions")
        committed = self.transactions()
        self.lose_left()
        self.right.type("postgresql-move")
        self.assertGreaterEqual(self.check_balances(self.right, 5433), committed,
                                "a committed transaction is missing after the move")


class Backup(RecipeTest):
    def same_as_volume(self, volume, other="nightly"):
        self.left.sh(f"cmp /mnt/volumes/{volume} /mnt/volumes/{other}", timeout=60)

    def dirty(self, seed):
        """Writes to the source a little that nobody has written before, all the time."""
        self.start_load(self.left, "fio", "--name=dirty", "--filename=/mnt/volumes/disk", "--size=2M",
                        f"--offset={16 + 2 * seed}M", "--rw=randwrite", "--bs=4k", "--direct=1",
                        "--rate_iops=200", "--time_based", "--runtime=600", f"--randseed={seed}")

    def clean(self):
        lab.end_process(self.load)

    def test_restic_and_borg_keep_t0_and_what_changed(self):
        self.make_disk(data_bytes=32 * MIB)
        self.left.type("backup-prepare")
        stored = {}
        for night in range(2):
            self.dirty(night)
            self.left.type("backup-clone")
            self.pair.change_owners()
            self.left.type("backup-restic")
            self.left.type("backup-borg")
            self.left.type("backup-end")
            self.check_load()
            self.clean()
            stored[night] = {name: self.size_of(name) for name in ("restic", "borg")}
        for name in ("restic", "borg"):
            first, second = stored[0][name], stored[1][name]
            self.assertGreater(first, 31 * MIB, "the first backup has not all of the image")
            self.assertLess(second - first, first / 2, f"{name} has stored what did not change")
        self.left.type("restore-restic")
        self.same_as_volume("restored")
        self.left.type("restore-borg")
        self.same_as_volume("restored2")
        print(f"\nstored after each night: {stored}", flush=True)

    def size_of(self, repository):
        return int(self.left.sh(f"du -sb /srv/{repository}").split()[0])


class Nbd(RecipeTest):
    def test_nbdkit_serves_over_changes_of_owner_and_moves(self):
        self.make_disk()
        client = self.pair.add_client()
        self.left.type("nbd-serve")
        self.assertEqual(client.type("nbd-client").split()[0], str(DISK_BYTES))
        self.assertEqual(client.sh("cmp /srv/copy.img <(head -c 1M /dev/zero; head -c 64k /dev/zero | tr '\\0' '\\7';"
                                   f" head -c {DISK_BYTES - MIB - 64 * 1024} /dev/zero)"), "")
        self.start_load(client, "fio", "--name=nbd", "--ioengine=nbd", "--uri=nbd://10.0.0.100",
                        "--rw=randwrite", "--bs=4k", "--iodepth=8", "--offset=64M", "--size=16M", "--verify=crc32c",
                        "--verify_fatal=1", "--verify_backlog=256", "--fsync=64", "--time_based", "--runtime=600")
        time.sleep(1)
        self.pair.change_owners()
        time.sleep(0.5)
        self.check_load()
        lab.end_process(self.load)
        client.sh("qemu-io -f raw -c 'write -f -P 9 32M 64k' nbd://10.0.0.100")
        self.lose_left()
        self.right.type("nbd-move")
        client.sh("qemu-io -f raw -c 'read -P 9 32M 64k' -c 'read -P 7 1M 64k' nbd://10.0.0.100 | tee /dev/stderr | "
                  "{ ! grep -i fail; }")


# Prints the handle of a file, as a server of NFS makes it.
HANDLE = """
import ctypes, sys
handle = ctypes.create_string_buffer(b"\\x80\\0\\0\\0", 136)
found = ctypes.CDLL(None, use_errno=True).name_to_handle_at(
    -100, sys.argv[1].encode(), handle, ctypes.byref(ctypes.c_int()), 0)
assert found == 0, ctypes.get_errno()
print(handle.raw.hex())
"""


class Nfs(RecipeTest):
    CLIENT = lab.SOURCE / "tests/system/nfs_client.py"

    def start_client(self, client, seconds):
        self.start_load(client, self.CLIENT, "10.0.0.100", "/volumes", "/disk", str(seconds))

    def end_client(self):
        code = self.load.wait(90)
        said = (self.lab.directory / "load.log").read_text()
        self.assertEqual(code, 0, said)
        print(f"\nNFS: {said}", flush=True)

    def test_ganesha_serves_over_changes_of_owner(self):
        self.make_disk()
        client = self.pair.add_client()
        self.left.type("nfs-serve")
        self.start_client(client, 4)
        time.sleep(1)
        self.pair.change_owners()
        self.end_client()

    def test_handles_are_the_same_on_both_machines(self):
        self.make_disk()
        self.pair["left"].create_volume("other", MIB)
        handles = [machine.run("python3", "-c", HANDLE, f"/mnt/volumes/{name}").stdout
                   for name in ("disk", "other") for machine in (self.left, self.right)]
        self.assertEqual(handles[0], handles[1])
        self.assertEqual(handles[2], handles[3])
        self.assertNotEqual(handles[0], handles[2])


class LibvirtHook(RecipeTest):
    HOOK = lab.SOURCE / "packaging" / "recipes" / "libvirt-qemu-hook"

    def hook(self, *words, wait=1, disk=None):
        """Returns its exit status and what it says on standard error; standard output stays empty."""
        disk = disk or next(text for language, _, text in recipes.fences() if language == "xml")
        domain = f"<domain><name>guest</name><devices>{disk}</devices></domain>"
        command = self.left.inside("env", f"BATON_WAIT={wait}", self.HOOK, "guest", *words, "-")
        result = subprocess.run(command, input=domain, capture_output=True, text=True, timeout=60)
        self.assertEqual(result.stdout, "")
        return result.returncode, result.stderr

    def test_a_domain_starts_once_its_volume_is_there(self):
        self.left.type("vm-hook")
        self.assertEqual(self.left.sh("basename $(readlink /etc/libvirt/hooks/qemu)").strip(), self.HOOK.name)
        self.assertEqual(self.hook("release", "end"), (0, ""))
        self.assertEqual(self.hook("prepare", "begin", disk="<disk><source file='/var/other'/></disk>"), (0, ""))
        code, said = self.hook("prepare", "begin")
        self.assertEqual(code, 1)
        self.assertIn("/mnt/volumes/guest is not there", said)
        timer = threading.Timer(1, self.pair["left"].create_volume, ("guest", MIB))
        timer.start()
        self.assertEqual(self.hook("prepare", "begin", wait=30), (0, ""))
        timer.join()
        self.pair["left"].stop()
        self.assertEqual(self.hook("migrate", "begin")[0], 1)


if __name__ == "__main__":
    lab.main()
