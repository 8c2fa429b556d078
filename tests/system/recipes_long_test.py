#!/usr/bin/python3
"""The recipes of docs/recipes.md that take longer: the suite of libiscsi, a virtual machine, and the
NFS server of a kernel."""

import re
import time
import unittest

import lab
import recipes
import vms
from lab import MIB, SystemTest
from recipes_test import RecipeTest

VM = lab.SOURCE / "packaging" / "demos" / "vm"
SMALL_BYTES = 64 * MIB


class Iscsi(RecipeTest):
    """What iscsi-test-cu says of a plain file it says of a volume, also while its owner changes."""

    PLAIN = """
truncate -s {bytes} /srv/plain
sed 's|:disk|:plain|; s|/mnt/volumes/disk|/srv/plain|; s|baton-disk|plain|' /etc/tgt/conf.d/disk.conf \\
  >/etc/tgt/conf.d/plain.conf
tgt-admin --execute
"""

    def start_suite(self, client, name):
        output = self.lab.directory / f"suite-{name}"
        with open(output, "wb") as out:
            return output, self.lab.start(*client.shell(
                "iscsi-test-cu --dataloss --verbose --test=SCSI "
                f"iscsi://10.0.0.100/iqn.2026-01.net.example:{name}/1 2>&1"), stdout=out)

    def results(self, output):
        """Suite and test -> whether it passed."""
        found, suite = {}, None
        for part in re.split(r"^(?=Suite: |  Test: )", output.read_text(errors="replace"), flags=re.M):
            words = part.split()
            if part.startswith("Suite: "):
                suite = words[1]
            elif part.startswith("  Test: "):
                found[f"{suite}.{words[1]}"] = "FAILED" not in part
        return found

    def test_volume_and_plain_file_have_the_same_result(self):
        self.pair["left"].create_volume("disk", SMALL_BYTES)
        client = self.pair.add_client()
        self.left.type("iscsi-serve")
        self.left.sh(self.PLAIN.format(bytes=SMALL_BYTES))
        results, changes = {}, 0
        for name in ("plain", "disk"):
            output, process = self.start_suite(client, name)
            while process.poll() is None:
                time.sleep(2)
                if name == "disk":
                    self.pair.change_owners()
                    changes += 1
            results[name] = self.results(output)
        passed = sum(results["plain"].values())
        print(f"\niSCSI: {passed} of {len(results['plain'])} tests pass; {changes} changes of owner", flush=True)
        self.assertGreater(passed, 150)
        self.assertGreater(changes, 3)
        self.assertEqual(results["disk"], results["plain"])


class Guest:
    """A guest of QEMU on a machine, with the disk of the page."""

    def __init__(self, lab_, machine):
        lab.run(VM / "make-image", vms.IMAGE, timeout=300)
        self.port = lab_.directory / f"port-{machine.name}"
        console = lab_.directory / f"console-{machine.name}"
        command = recipes.text_of("vm-disk") + (
            "exec qemu-system-x86_64 -accel tcg,thread=multi -cpu max -M q35 -m 384 -nodefaults -display none "
            f"-no-reboot -chardev file,id=console,path={console} -serial chardev:console -device virtio-serial-pci "
            f"-chardev socket,id=a0,path={self.port},server=on,wait=off -device virtserialport,chardev=a0,name=a0 "
            f"-kernel {vms.IMAGE}/vmlinuz -initrd {vms.IMAGE}/initrd.gz -append 'console=ttyS0 quiet mitigations=off' "
            "$disk")
        with open(lab_.directory / f"qemu-{machine.name}.log", "wb") as log:
            self.process = lab_.start(*machine.shell(command), stdout=log, stderr=log)

        def is_ready():
            assert self.process.poll() is None, (lab_.directory / f"qemu-{machine.name}.log").read_text()
            return console.exists() and "GUEST READY" in console.read_text(errors="replace")
        lab.wait_until(is_ready, timeout=120, every=0.2, what="the guest")

    def command(self, text, seconds):
        return [VM / "vm-exec", self.port, text, str(seconds)]

    def run(self, text, seconds=60):
        return lab.run(*self.command(text, seconds), timeout=seconds + 10).stdout


@unittest.skipIf(vms.missing(), vms.missing())
class VirtualMachine(RecipeTest):
    BLOCKS = 60
    # Prints the number of each block and the sum of what was written there, once it is durable.
    WRITE = """
i=0
while [ $i -lt {blocks} ]; do
  head -c 65536 /dev/urandom >/tmp/block
  dd if=/tmp/block of=/dev/vda bs=64k seek=$i oflag=direct conv=notrunc,fsync 2>/dev/null || echo ERROR
  echo $i $(md5sum </tmp/block)
  i=$((i + 1))
  usleep 50000
done
"""
    READ = """
i=0
while [ $i -lt {blocks} ]; do
  echo $i $(dd if=/dev/vda bs=64k skip=$i count=1 iflag=direct 2>/dev/null | md5sum)
  i=$((i + 1))
done
"""
    LOCKED = 'Failed to get "write" lock'

    def try_disk(self):
        """Another QEMU that wants the disk. Returns what it says."""
        return self.right.sh("qemu-io -f raw -c 'read 0 4k' /mnt/volumes/guest 2>&1 || true")

    def test_guest_waits_for_owners_and_starts_at_the_other_machine(self):
        self.pair["left"].create_volume("guest", SMALL_BYTES)
        guest = Guest(self.lab, self.left)
        written = self.lab.directory / "written"
        with open(written, "wb") as out:
            writer = self.lab.start(*guest.command(self.WRITE.format(blocks=self.BLOCKS), 120), stdout=out)
        time.sleep(1)
        self.pair.change_owners()
        self.pair.change_owners()
        self.assertIsNone(writer.poll(), "the guest had written all before the owner changed")
        self.assertEqual(writer.wait(120), 0)
        sums = written.read_text()
        self.assertEqual(sums.count("\n"), self.BLOCKS)
        self.assertNotIn("ERROR", sums)

        self.assertIn(self.LOCKED, self.try_disk())
        self.lose_left()
        self.assertIn(self.LOCKED, self.try_disk(), "nobody has said that left is gone")
        self.right.type("vm-move")
        again = Guest(self.lab, self.right)
        self.assertEqual(again.run(self.READ.format(blocks=self.BLOCKS)), sums)


@unittest.skipIf(vms.missing(), vms.missing())
class KernelNfs(SystemTest):
    """Server and client of one kernel, in a guest: this machine's need not have them."""

    CLIENT = "10.0.0.1"

    def guest(self, text, timeout=60, check=True):
        return self.guests.run("a", text, timeout=timeout, check=check)

    def setUp(self):
        super().setUp()
        self.guests = vms.Guests(self.lab)
        self.guests.up("a")
        self.guest("truncate -s 1G /tmp/disk && mkfs.ext4 -q /tmp/disk && mkdir -p /srv /mnt/volumes /mnt/b /mnt/nfs && "
                   "mount -o loop /tmp/disk /srv && baton pool init /srv/pool", timeout=120)
        for name in self.CONTROLLERS:
            self.start_controller(name)
        self.guest(f"""
baton volume create disk --size 16M
ip address add {self.CLIENT}/24 dev lo
mkdir -p /var/lib/nfs/v4recovery /run/rpc_pipefs
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
mount -t nfsd nfsd /proc/fs/nfsd
echo 5 >/proc/fs/nfsd/nfsv4gracetime; echo 10 >/proc/fs/nfsd/nfsv4leasetime
{recipes.text_of("nfs-kernel")}
rpc.mountd -N 3
rpc.nfsd -N 3 4
mount -i -t nfs4 -o addr={self.CLIENT},clientaddr={self.CLIENT},vers=4.2,hard,proto=tcp {self.CLIENT}:/mnt/volumes /mnt/nfs
""", timeout=120)

    # The second one takes the pool over.
    CONTROLLERS = {"a": ("/mnt/volumes", "/run/baton/control.sock", 7500), "b": ("/mnt/b", "/run/control-b", 7600)}

    def start(self, name):
        """The line that starts a controller in the guest."""
        mount, control, port = self.CONTROLLERS[name]
        (peer, (_, _, other)), = [item for item in self.CONTROLLERS.items() if item[0] != name]
        return (f"(batond --pool /srv/pool --node {name} --mount {mount} --control {control} --insecure "
                f"--listen tcp://127.0.0.1:{port} --peer {peer}=tcp://127.0.0.1:{other} "
                f"--liveness-timeout {vms.LIVENESS_SECONDS} >>/baton/log-{name} 2>&1 &)\n")

    def start_controller(self, name):
        self.guest(self.start(name))
        lab.wait_until(lambda: "\nready\n" in self.guests.log(name), timeout=240, every=0.2, what="a controller")

    def test_serves_the_mount(self):
        self.both_show_the_same()
        self.a_change_of_owner_is_a_pause()
        self.a_file_stays_open_over_a_new_mount()
        self.a_volume_that_was_deleted_is_gone()

    def both_show_the_same(self):
        self.guest("""
set -e
head -c 4194304 /dev/urandom >/tmp/content
dd if=/tmp/content of=/mnt/nfs/disk bs=64k conv=notrunc,fsync 2>/dev/null
cmp -n 4194304 /tmp/content /mnt/volumes/disk
[ $(stat -c %i /mnt/nfs/disk) = $(stat -c %i /mnt/volumes/disk) ]
echo 3 >/proc/sys/vm/drop_caches
cmp -n 4194304 /tmp/content /mnt/nfs/disk
cat >/tmp/lock.py <<'END'
import fcntl
file = open("/mnt/volumes/disk", "r+b")
try:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("locked")
END
[ "$(flock /mnt/nfs/disk python3 /tmp/lock.py)" = locked ]
[ -z "$(python3 /tmp/lock.py)" ]
""", timeout=240)

    def a_change_of_owner_is_a_pause(self):
        said = self.guest("""
(i=0
while [ $i -lt 64 ]; do
  dd if=/tmp/content of=/mnt/nfs/disk bs=64k count=1 skip=$i seek=$((63 - i)) conv=notrunc,fsync 2>/dev/null || echo ERROR
  i=$((i + 1))
done) >/tmp/loop &
baton --quiet failover --to b >/dev/null && kill -0 $! && echo writing
baton --quiet failover --to a >/dev/null
wait $!
cat /tmp/loop
i=0
while [ $i -lt 64 ]; do
  dd if=/mnt/volumes/disk bs=64k count=1 skip=$((63 - i)) 2>/dev/null
  i=$((i + 1))
done | cmp - /tmp/content && echo same
""", timeout=240)
        self.assertEqual(said.split(), ["writing", "same"])

    def a_file_stays_open_over_a_new_mount(self):
        """As on another machine: another mount, of another device number."""
        said = self.guest(f"""
exec 3</mnt/nfs/disk
head -c 65536 <&3 >/tmp/first
before=$(stat -c %d /mnt/volumes)
exportfs -ua
kill -TERM $(pgrep -o -f 'node a')
while pgrep -f 'node a' >/dev/null; do sleep 0.2; done
mkdir -p /run/other && mount -t tmpfs other /run/other
{self.start("a")}
until baton --json status 2>/dev/null | grep -q pid && mountpoint -q /mnt/volumes; do sleep 0.2; done
exportfs -ra
[ "$before" != "$(stat -c %d /mnt/volumes)" ] && echo another
head -c 4128768 <&3 >/tmp/rest
dd if=/mnt/volumes/disk bs=64k count=64 2>/dev/null >/tmp/all
cat /tmp/first /tmp/rest | cmp - /tmp/all && echo same
""", timeout=240)
        self.assertEqual(said.split(), ["another", "same"])

    def a_volume_that_was_deleted_is_gone(self):
        said = self.guest("""
baton --quiet volume create short --size 1M
exec 3</mnt/nfs/short
baton volume delete short 2>&1 | grep -o open
exec 3<&-
until baton --quiet volume delete short 2>/dev/null; do sleep 1; done
cat /mnt/nfs/short 2>&1 >/dev/null | grep -oE 'Stale file handle|No such file or directory'
""", timeout=240)
        self.assertEqual(said.split()[0], "open")
        self.assertIn(said.split("\n", 1)[1].strip(), ("Stale file handle", "No such file or directory"))


if __name__ == "__main__":
    lab.main()
