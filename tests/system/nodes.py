"""Namespaces as nodes: what a test needs to let several machines share a directory, and to take one
of them away.

A Node is a network, a mount and a PID namespace and a control group. What is started in it sees its
own network card (eth0, 10.90.0.N, on a cable to a switch that the nodes of one Network share), its
own mounts, and process numbers that other nodes have too, as real machines do. All of it ends with
the lab, and with the test's process: the first process of a PID namespace takes the others along.
"""

import contextlib
import os
import pathlib
import signal
import subprocess

import lab
from lab import Controller

CGROUP_ROOTS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
SUBNET = "10.90.0"
PORT = 7400


def cgroup_root():
    """Where control groups of version 2 are."""
    for root in CGROUP_ROOTS:
        if os.path.exists(f"{root}/cgroup.controllers"):
            return pathlib.Path(root)
    raise AssertionError("no control groups of version 2")


def lab_process(command, **options):
    """A process in the background that ends when this one does."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE} if "text" in options else {
        "stdin": subprocess.DEVNULL}
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, command)], **pipes,
                            **options)


def start_holder(*unshare):
    """A process that does nothing but keep new namespaces alive. Returns (process, its pid)."""
    process = lab_process(["unshare", *unshare, "sleep", "infinity"])

    def holder():
        found = lab.children_of(process.pid) if "--fork" in unshare else [process.pid]
        return found[0] if found and lab.name_of(found[0]) == "sleep" else None
    return process, lab.wait_until(holder, every=0.002, what="a namespace")


class Network:
    """A switch, with a cable to each node."""

    def __init__(self, lab_):
        self._process, self.pid = start_holder("--net")
        lab_.on_close(lab.end_process, self._process)
        self.ip("link", "add", "switch", "type", "bridge")
        self.ip("link", "set", "switch", "up")

    def ip(self, *words):
        lab.run("nsenter", f"--net=/proc/{self.pid}/ns/net", "ip", *words)

    def plug(self, node):
        card = f"to-{node.name}"
        self.ip("link", "add", card, "type", "veth", "peer", "name", "eth0", "netns", node.pid)
        self.ip("link", "set", card, "master", "switch", "up")
        node.tool("ip", "address", "add", f"{node.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            node.tool("ip", "link", "set", link, "up")


class Node:
    """A machine. Off after kill(), until boot()."""

    _made = 0

    def __init__(self, lab_, network, name):
        self.lab = lab_
        self.network = network
        self.name = name
        Node._made += 1
        self.address = f"{SUBNET}.{Node._made % 250 + 1}"
        self.cgroup = cgroup_root() / f"{lab_.directory.name}-{name}"
        self.pid = None
        self.cgroup.mkdir()
        lab_.on_close(self._close)
        self.boot()

    # ---- power ----

    def boot(self):
        assert self.pid is None, f"{self.name} is on"
        self._process, self.pid = start_holder(
            "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
            "--mount-proc", "--uts")
        self._enter_cgroup(self.pid)
        self.network.plug(self)

    def is_on(self):
        return self.pid is not None

    def kill(self):
        """All of its processes at once, mounts and network with them."""
        if self.pid is None:
            return
        (self.cgroup / "cgroup.kill").write_text("1")
        self._process.kill()
        self._process.wait(30)
        self.pid = None
        self._wait("populated 0")
        self.thaw()  # whatever boots next runs

    def freeze(self):
        """As the pause of a virtual machine: nothing runs until thaw(). A process that waits for an
        answer of a mount counts as frozen only after that: so this waits for nothing."""
        (self.cgroup / "cgroup.freeze").write_text("1")

    def thaw(self):
        (self.cgroup / "cgroup.freeze").write_text("0")

    def _wait(self, event):
        lab.wait_until(lambda: event in (self.cgroup / "cgroup.events").read_text(), every=0.002,
                       what=f"{event} of {self.cgroup}")

    def _enter_cgroup(self, pid):
        (self.cgroup / "cgroup.procs").write_text(str(pid))

    def _close(self):
        self.kill()
        self._wait("populated 0")
        self.cgroup.rmdir()

    # ---- cable ----

    def cut(self):
        self.tool("ip", "link", "set", "eth0", "down")

    def heal(self):
        """After cut(), lose_sent() and lose_received()."""
        self.tool("tc", "qdisc", "delete", "dev", "eth0", "root", check=False)
        self.network_tool("tc", "qdisc", "delete", "dev", f"to-{self.name}", "root", check=False)
        self.tool("ip", "link", "set", "eth0", "up")

    def lose_sent(self):
        """Nobody hears it any more; it hears the others, and no link is down."""
        self.tool("tc", "qdisc", "add", "dev", "eth0", "root", "blackhole")

    def lose_received(self):
        """It hears nobody any more; the others hear it."""
        self.network_tool("tc", "qdisc", "add", "dev", f"to-{self.name}", "root", "blackhole")

    # ---- programs ----

    def tool(self, *command, check=True):
        """A program of the host in this node's network."""
        return lab.run("nsenter", f"--net=/proc/{self.pid}/ns/net", *command, check=check)

    def network_tool(self, *command, check=True):
        return lab.run("nsenter", f"--net=/proc/{self.network.pid}/ns/net", *command, check=check)

    def inside(self, *command):
        """The command line that runs `command` in this node, as one of its processes."""
        return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self.cgroup / "cgroup.procs"),
                "nsenter", "--target", str(self.pid), "--net", "--mount", "--pid", "--uts",
                *map(str, command)]

    def run(self, *command, **options):
        return lab.run(*self.inside(*command), **options)

    def start(self, *command, **options):
        """A program in the background, ended with the lab or the node."""
        return self.lab.start(*self.inside(*command), **options)

    def path(self, path):
        """A path of this node as everybody sees it."""
        return pathlib.Path(f"/proc/{self.pid}/root{path}")


class Storage:
    """A directory as one node sees it, with faults: tests/system/faulty_fs says which. It is no
    process of the node: a node that is frozen has nothing on its way that could be late."""

    def __init__(self, lab_, directory, name, node=None):
        self.mount = lab_.make_directory(name)
        self._command = [lab.BUILD / "faulty_fs", directory, self.mount]
        self._node = node
        self._process = None
        lab_.on_close(self.close)
        self.attach()

    def attach(self):
        """Once, and again after the node was off."""
        self.close()
        command = self._command + ([self._node.pid] if self._node else [])
        self._process = lab_process(command, text=True, bufsize=1)
        assert self._answer() == "ready"

    def _answer(self):
        return self._process.stdout.readline().strip()

    def tell(self, fault):
        """Returns what it answers."""
        self._process.stdin.write(fault + "\n")
        return self._answer()

    def fault(self, fault):
        """From now on: "all eio", "writes hang", "syncs delay 50" and so on."""
        answer = self.tell(fault)
        assert answer == "ok", f"{fault}: {answer}"

    def heal(self):
        """Operations that hang are carried out."""
        self.fault("heal")

    def fence(self):
        """Healed, too; but operations that hang fail, as if storage had shut this node out."""
        self.fault("fence")

    def met(self):
        """How many operations met the last fault."""
        return int(self.tell("met"))

    def close(self):
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        lab.end_process(self._process)
        self._process.stdout.close()
        if self._node is None:
            lab.run("umount", "--lazy", self.mount, check=False)
        self._process = None


class NodeController(Controller):
    """A batond in a node. `process` is its way into the namespaces; the keeper is its child."""

    def __init__(self, node, pool, options=()):
        super().__init__(node.lab, pool, node.lab.make_directory(f"mount-{node.name}"), node.name,
                         options)
        self.machine = node
        node.lab.on_close(self.close)

    def start(self, timeout=30, wrapper=(), **options):
        super().start(timeout, wrapper=self.machine.inside(*wrapper), **options)

    def keeper_pid(self):
        return lab.wait_until(lambda: lab.children_of(self.process.pid), what="a keeper")[0]

    def child_pids(self):
        """As numbers of the test's own namespace."""
        keepers = lab.children_of(self.process.pid) if self.process else []
        return [pid for keeper in keepers for pid in lab.children_of(keeper)]

    def wait_restarted(self, pid, timeout=30):
        """Until another process than `pid`, which the node itself numbers otherwise, serves."""
        def status():
            if self.controller_pids() in ([], [pid]):
                return None
            return self.try_status()
        return lab.wait_until(status, timeout=timeout, what="a restart")

    def signal(self, number):
        """To the keeper; SIGKILL to the controller, too."""
        if self.process is None or self.process.returncode is not None:
            return
        keepers = lab.children_of(self.process.pid)
        children = self.child_pids() if number == signal.SIGKILL else []
        for pid in [*keepers, *children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill_both(self):
        if self.process is None:
            return
        self.signal(signal.SIGKILL)
        self.process.wait(30)
        self.gone()

    def kill(self):
        self.kill_both()
        if self.machine.is_on():
            self.machine.run("umount", "--lazy", self.mount, check=False)

    def gone(self):
        """The node was killed."""
        if self.process is not None:
            self.process.wait(30)
        self.process = None
        lab.deadline.controllers.discard(self)

    def close(self):
        if self.machine.is_on():
            with contextlib.suppress(OSError):
                self.machine.thaw()
            self.kill()

    def path(self, volume):
        """Where the test itself sees it; programs in the node use mount / volume."""
        return self.machine.path(self.mount / volume)
