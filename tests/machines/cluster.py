"""An NFS server and two nodes that share a pool on it, set up from the packages as docs/install.md and
docs/operations.md say."""

import glob
import json
import subprocess
import sys
import time

import lab
from guest import Failed, Gone, Guest, HERE, Image, make_payload
from network import Network, OPERATOR, SUBNETS
import hosts

UNIT = "batond@pool.service"
MOUNT = "/mnt/volumes"
POOL = "/srv/pool"
EXPORT = "/export"
DROP_IN = f"/etc/systemd/system/{UNIT}.d"
SWITCH_PORT = 623
SETTLE_SECONDS = 300  # emulated machines are slow
CARD = """[Match]
Name=eth{index}
[Network]
Address={address}/24
LinkLocalAddressing=no
IPv6AcceptRA=no
"""
# A program that is read for the first time takes seconds to start in a guest that is emulated.
PATIENCE = "\n[keeper]\nliveness_timeout_seconds = 30\n"
FENCE = """
[fence]
command = "/usr/local/sbin/fence-switch"
delay_seconds = {delay}
timeout_seconds = 30
options = {{ ip = "{ip}" }}
"""


def build_packages(suite):
    built = subprocess.run([lab.SOURCE / "packaging" / "build-packages", "--suite", suite], check=False,
                           stdout=sys.stderr)
    if built.returncode:
        raise SystemExit(built.returncode)


def packages_of(suite):
    build_packages(suite)
    found = glob.glob(str(lab.SOURCE / "build" / "packages" / suite / "*.deb"))
    return sorted(path for path in found if "-dbgsym_" not in path)


class Node(Guest):
    """A guest with a batond of its own."""

    peer = None  # the other one

    # ---- set-up, a step of the documentation each ----

    def install(self):
        """What is recommended brings 40 packages more, for other kinds of storage."""
        self.run("cd /payload/packages && apt-get install --yes --no-install-recommends "
                 "./baton_*.deb ./batond_*.deb", timeout=900)

    def mount_storage(self, server):
        line = f"{server}:{EXPORT} /srv nfs4 vers=4.2,hard,proto=tcp 0 0"
        self.run(f"echo '{line}' >>/etc/fstab && systemctl daemon-reload && mount /srv")

    def make_key(self):
        """Returns the line of its public key."""
        return self.said("baton", "keygen", "--node", self.name, "--out", "/etc/baton/pool.key")

    def settings(self, more=""):
        return (f'pool = "{POOL}"\nnode = "{self.name}"\nmount = "{MOUNT}"\n\n[pair]\n'
                f'listen = "tcp://{self.address("peers")}:7400"\n'
                f'peers = ["{self.peer.name}=tcp://{self.peer.address("peers")}:7400"]\n'
                f'key = "/etc/baton/pool.key"\nallowed_keys = "/etc/baton/pool.allowed"\n{more}')

    def configure(self, more=""):
        self.write("/etc/baton/pool.toml", self.settings(more))

    def order_after_mounts(self):
        self.run(f"mkdir -p {DROP_IN} && batond --config /etc/baton/pool.toml --print-unit-dropin "
                 f">{DROP_IN}/mounts.conf && systemctl daemon-reload")

    # ---- what is seen ----

    def baton(self, *words, timeout=120):
        return self.said("baton", *words, timeout=timeout)

    def json(self, *words, timeout=120):
        """Also of a `status` that says degraded."""
        done = self.run("baton", "--json", *words, check=False, timeout=timeout)
        if not done["out"]:
            raise Failed(f"{self.name}: {words}: {done['err']}")
        return json.loads(done["out"])

    def status(self):
        """None where nobody answers."""
        if not self.is_on():
            return None
        try:
            return self.json("status", timeout=30)
        except (Failed, Gone, ValueError):
            return None

    def events(self):
        return self.json("events")["events"]

    def journal(self, lines=60):
        return self.said("journalctl", "--no-pager", "--output", "short-precise", "--boot",
                         "--lines", lines, "--unit", UNIT)


class Cluster:
    """Machines that are on, and set up. `suites` of the two nodes."""

    def __init__(self, lab_, suites=("trixie", "trixie")):
        self.lab = lab_
        self.began = time.monotonic()
        self._has_switch = False
        self.network = Network(lab_)
        packages = {suite: packages_of(suite) for suite in sorted(set(suites))}
        images = {suite: Image(suite, packages[suite]) for suite in packages}
        self.step(f"packages and disks are there; {images[suites[0]].accelerator}")
        self.emulated = images[suites[0]].accelerator == "tcg"
        payloads = {suite: self._make_payload(suite, packages[suite]) for suite in packages}
        export = lab_.directory / "export"
        lab.run("truncate", "--size=4G", export)
        self.storage = Guest(lab_, self.network, images[suites[0]], "storage", 1, payloads[suites[0]],
                             disk=export)
        self.left, self.right = (Node(lab_, self.network, images[suite], name, number, payloads[suite])
                                 for name, number, suite in zip(("left", "right"), (11, 12), suites))
        self.left.peer, self.right.peer = self.right, self.left
        self.nodes = (self.left, self.right)

    def _make_payload(self, suite, packages):
        return make_payload(self.lab, suite, [*packages, hosts.PROGRAM, HERE / "fence-switch"])

    def step(self, text):
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", file=sys.stderr, flush=True)

    # ---- set-up ----

    def boot(self):
        machines = (self.storage, *self.nodes)
        for machine in machines:
            machine.start()
        for machine in machines:
            machine.await_boot()
            self._name(machine)
        self.step("three machines are up")

    def _name(self, machine):
        """What the installer of a machine asks for: its name and its addresses."""
        names = "".join(f"{other.address('storage')} {other.name}\\n"
                        for other in (self.storage, *self.nodes))
        machine.run(f"hostnamectl hostname {machine.name}; printf '127.0.0.1 localhost\\n{names}' >/etc/hosts")
        for index, switch in enumerate(SUBNETS):
            machine.write(f"/etc/systemd/network/{switch}.network",
                          CARD.format(index=index, address=machine.address(switch)))
        machine.run("mkdir -p /payload; echo '/dev/vdb /payload ext4 ro 0 0' >>/etc/fstab; "
                    "systemctl daemon-reload; mount /payload; systemctl restart systemd-networkd; "
                    "/usr/lib/systemd/systemd-networkd-wait-online --timeout 60")

    def serve_storage(self):
        """The NFS server of the site, as docs/operations.md wants it."""
        self.storage.run(f"mkfs.ext4 -q /dev/vdc && mkdir -p {EXPORT} && "
                         f"echo '/dev/vdc {EXPORT} ext4 defaults 0 2' >>/etc/fstab && "
                         f"systemctl daemon-reload && mount {EXPORT}")
        self.storage.write("/etc/exports", f"{EXPORT} {SUBNETS['storage']}.0/24(rw,sync,no_root_squash,"
                           "no_subtree_check)\n")
        self.storage.write("/etc/sysctl.d/baton-nfs.conf", "fs.leases-enable = 0\n")
        self.storage.write("/etc/nfs.conf.d/baton.conf", "[nfsd]\nlease-time = 10\ngrace-time = 10\n")
        self.storage.run("sysctl", "--quiet", "--system")
        self.storage.run("systemctl enable --now nfs-server && exportfs -ra")
        self.step("the NFS server serves")

    def install(self):
        """The pair, from nothing to healthy, as the documentation says."""
        began = time.monotonic()
        for node in self.nodes:
            node.install()
        for node in self.nodes:
            node.mount_storage("storage")
            node.run("mkdir", "-p", MOUNT)
        self.left.run("baton", "pool", "init", POOL)
        self.step("the packages are installed, the pool is made")
        keys = "\n".join(node.make_key() for node in self.nodes) + "\n"
        for node in self.nodes:
            node.write("/etc/baton/pool.allowed", keys)
            node.configure(PATIENCE if self.emulated else "")
            node.order_after_mounts()
            node.run("systemctl", "enable", "--now", UNIT, timeout=300)
        self.await_healthy()
        self.step("the pair is healthy")
        return time.monotonic() - began

    def start_power_switch(self):
        """Once."""
        if self._has_switch:
            return
        self._has_switch = True
        address = f"{SUBNETS['storage']}.{OPERATOR}"
        process = self.lab.start(*self.network.inside(
            sys.executable, HERE / "power_switch.py", lab.SOURCE / "tests" / "system", address,
            SWITCH_PORT, *(f"{node.name}={node.directory / 'monitor'}" for node in self.nodes)),
            stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline().strip() == "ready"
        for node in self.nodes:
            node.run("install", "/payload/fence-switch", "/usr/local/sbin/fence-switch")

    def fence_settings(self, node):
        return FENCE.format(delay=self.nodes.index(node), ip=f"{SUBNETS['storage']}.{OPERATOR}")

    def change_settings(self, more):
        """`more` of a node is more(node). Both take it over while they serve."""
        for node in self.nodes:
            node.configure((PATIENCE if self.emulated else "") + more(node))
            node.run("systemctl", "reload", UNIT, timeout=300)
        self.await_healthy()

    # ---- who is what ----

    def agreed(self):
        """The owner's status, where all nodes that are on are healthy and name it."""
        found = [node.status() for node in self.nodes]
        if None in found or not all(status["healthy"] for status in found):
            return None
        if len({(status["owner"], status["epoch"]) for status in found}) != 1:
            return None
        return next((status for status in found if status["role"] == "owner"), None)

    def await_healthy(self, timeout=SETTLE_SECONDS):
        try:
            return lab.wait_until(self.agreed, timeout=timeout, every=0.5, what="a healthy pair")
        except AssertionError:
            raise AssertionError(f"no healthy pair: {[node.status() for node in self.nodes]}") from None

    def owner(self):
        name = self.await_healthy()["node"]
        return next(node for node in self.nodes if node.name == name)

    def await_owner(self, node, timeout=SETTLE_SECONDS):
        def owns():
            status = node.status()
            return status if status and status["role"] == "owner" else None
        return lab.wait_until(owns, timeout=timeout, every=0.2, what=f"{node.name} as the owner")

    def make_owner(self, node):
        self.await_healthy()
        node.baton("failover", "--to", node.name)
        self.await_healthy()

    def said(self):
        """What there is to know after a failure."""
        parts = []
        for machine in (self.storage, *self.nodes):
            parts.append(f"---- console of {machine.name}")
            console = machine.console.read_text(errors="replace") if machine.console.exists() else ""
            parts += console.splitlines()[-15:]
        for node in self.nodes:
            try:
                parts += [f"---- journal of {node.name}", node.journal(), str(node.status())]
            except (AssertionError, Gone) as error:
                parts.append(str(error))
        return "\n".join(parts)
