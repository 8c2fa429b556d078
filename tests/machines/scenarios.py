"""What is done with two machines in good order. Each scenario takes a healthy pair and leaves one."""


import lab
from cluster import MOUNT, UNIT
from hosts import Host, VOLUME_BYTES, WRITTEN_BYTES

ALL = {}
INSTALL_SECONDS = 15 * 60
# What a host may have to wait while an emulated machine starts a program anew.
RESTART_STALL_SECONDS = {True: 60, False: 10}


def scenario(function=None, suites=("trixie", "trixie")):
    def add(function):
        function.suites = suites
        ALL[function.__name__] = function
        return function
    return add(function) if function else add


def check(fact, text):
    if not fact:
        raise AssertionError(text)


# ---- what scenarios share ----

class Volume:
    """Its beginning belongs to a host, the rest is random and stays."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        node = cluster.owner()
        node.baton("volume", "create", name, "--size", VOLUME_BYTES)
        node.run(f"dd if=/dev/urandom of={self.path()} bs=1M seek=1 count={VOLUME_BYTES // lab.MIB - 1} "
                 "conv=notrunc oflag=direct status=none")
        self.rest = self.rest_of(node, name)

    def path(self):
        return f"{MOUNT}/{self.name}"

    @staticmethod
    def rest_of(node, name):
        """The checksum of what no host writes to."""
        return node.said(f"tail --bytes=+{WRITTEN_BYTES + 1} {MOUNT}/{name} | md5sum", timeout=600)

    def check(self, host, *nodes):
        """What `host`, which has ended, was acknowledged is there, as each node sees it."""
        for node in nodes or self.cluster.nodes:
            host.look().check_present(host.shown(node, self.path()))
            check(self.rest_of(node, self.name) == self.rest, f"{self.name} has changed, seen by {node.name}")

    def delete(self):
        self.cluster.owner().baton("volume", "delete", self.name)


class Clone:
    """Of a volume to which `host` writes; slow, until finish()."""

    def __init__(self, node, volume, host):
        self.volume = volume
        self.host = host
        self.target = f"{volume.name}-copy"
        node.baton("volume", "create", self.target, "--size", VOLUME_BYTES)
        self.number = node.baton("clone", "create", volume.name, self.target, "--rate", "256K")
        node.baton("clone", "activate", self.number)
        self._before = host.look().acknowledged()
        node.baton("clone", "start", self.number)
        self._after = host.look().next()

    def status(self, node):
        return node.json("clone", "status", self.number)

    def await_copying(self, node, extents):
        def copies():
            status = self.status(node)
            check(status["state"] == "copying", f"the clone is not copying: {status}")
            return status if status["extents_copied"] >= extents else None
        return lab.wait_until(copies, timeout=300, every=0.3, what="copies")

    def finish(self, node):
        """Completes it and compares every byte of the target with T0, on both nodes."""
        node.baton("clone", "set", self.number, "--rate", "1G")
        node.run("baton", "clone", "wait", self.number, timeout=600)
        status = self.status(node)
        check(status["state"] == "completed", f"the clone has ended as {status}")
        for each in self.volume.cluster.nodes:
            if each.is_on():
                shown = self.host.shown(each, f"{MOUNT}/{self.target}")
                self.host.look().check_instant(shown, self._before, self._after)
                check(self.volume.rest_of(each, self.target) == self.volume.rest,
                      f"{self.target} is not T0, seen by {each.name}")
        return status

    def delete(self, node):
        node.baton("clone", "delete", self.number)
        node.baton("volume", "delete", self.target)


def epochs(cluster):
    """Who claimed which epoch, by the events: each epoch once, each one later than the one before."""
    claims = [event for event in cluster.owner().events() if event["kind"] == "epoch-claimed"]
    numbers = [event["epoch"] for event in claims]
    check(numbers == sorted(set(numbers)), f"epochs claimed twice or out of order: {claims}")
    return claims


# ---- scenarios ----

def install(cluster):
    """From nothing to a healthy pair, as the documentation says. Its first step for every scenario."""
    seconds = cluster.install()
    cluster.step(f"from nothing to a healthy pair: {seconds:.0f} s")
    check(seconds < INSTALL_SECONDS, "the documentation promises less than 15 minutes")
    for node in cluster.nodes:
        findings = node.json("doctor", "--config", "/etc/baton/pool.toml", timeout=300)["findings"]
        for finding in findings:
            if finding["verdict"] != "ok":
                cluster.step(f"doctor on {node.name}: {finding['verdict']}: {finding['text']}")
        check(not [finding for finding in findings if finding["verdict"] == "fail"], f"{findings}")


@scenario
def units(cluster):
    """systemctl reload, restart, stop and start, with files open on both nodes and writes all the time."""
    left, right = cluster.nodes
    cluster.make_owner(left)
    volumes = [Volume(cluster, f"units-{node.name}") for node in cluster.nodes]
    writers = [Host(node, MOUNT, volume.name) for node, volume in zip(cluster.nodes, volumes)]
    for writer in writers:
        writer.start()
    for node in (right, left):  # the owner last
        for verb in ("reload", "restart"):
            marks = [writer.look().acknowledged() for writer in writers]
            before = node.status()
            node.run("systemctl", verb, UNIT, timeout=300)
            after = cluster.await_healthy() and node.status()
            check(after["pid"] != before["pid"], f"{verb} has changed no process")
            check((after["keeper_pid"] == before["keeper_pid"]) == (verb == "reload"), f"{verb}: {after}")
            check(after["open_files"] == 1, f"{verb}: {after}")
            for writer in writers:
                writer.await_progress()
            waits = [writer.look().longest_stall(mark)[0] for writer, mark in zip(writers, marks)]
            cluster.step(f"{verb} of {before['role']} {node.name}: hosts waited {waits[0]:.1f} and {waits[1]:.1f} s")
            check(max(waits) < RESTART_STALL_SECONDS[cluster.emulated], f"{verb}: hosts waited {waits}")
    stop_and_start(cluster, volumes, writers)
    for volume in volumes:
        volume.delete()


def stop_and_start(cluster, volumes, writers):
    """A stop of the owner ends its mount and hands the pool over; the host of the other node goes on."""
    node = cluster.owner()
    other, index = node.peer, cluster.nodes.index(node)
    writers[index].stop()
    node.run("systemctl", "stop", UNIT, timeout=300)
    check(node.run("mountpoint", "--quiet", MOUNT, check=False)["status"] != 0, "the mount is still there")
    status = cluster.await_owner(other)
    check(status["proof"] == "handover", f"after an orderly stop: {status}")
    writers[1 - index].await_progress()
    node.run("systemctl", "start", UNIT, timeout=300)
    cluster.await_healthy()
    writers[1 - index].stop()
    for volume, writer in zip(volumes, writers):
        volume.check(writer)
    epochs(cluster)
    cluster.step("stop and start: handover, and every acknowledged write is there on both mounts")


CONSUMER = f"""[Unit]
Wants={UNIT}
After={UNIT}
AssertPathIsMountPoint={MOUNT}
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/stat {MOUNT}/boot
ExecStart=/usr/bin/dd if={MOUNT}/boot of=/dev/null bs=4k count=1 iflag=direct
[Install]
WantedBy=multi-user.target
"""


@scenario
def boot_order(cluster):
    """A node is rebooted: its mount comes after the storage, and a service after the mount."""
    volume = Volume(cluster, "boot")
    node = cluster.owner().peer
    node.write("/etc/systemd/system/consumer.service", CONSUMER)
    node.run("systemctl daemon-reload; systemctl enable consumer")
    node.reboot()
    cluster.await_healthy()
    cluster.step(f"{node.name} was rebooted, and is healthy again")
    lab.wait_until(lambda: node.run("systemctl", "is-active", "consumer", check=False)["out"].strip()
                   in ("active", "failed"), timeout=120, every=0.5, what="the end of the consumer's start")
    began = {unit: int(node.said("systemctl", "show", "--value", "--property", name, unit))
             for unit, name in (("srv.mount", "ActiveEnterTimestampMonotonic"),
                                (UNIT, "ExecMainStartTimestampMonotonic"),
                                ("consumer.service", "ExecMainStartTimestampMonotonic"))}
    served = int(node.said("systemctl", "show", "--value", "--property", "ActiveEnterTimestampMonotonic", UNIT))
    check(0 < began["srv.mount"] <= began[UNIT] <= served <= began["consumer.service"], f"{began}, {served}")
    check(node.said("systemctl", "is-active", "consumer") == "active", node.journal())
    failed = node.said("systemctl", "--failed", "--plain", "--no-legend")
    check(not failed, f"units failed at boot: {failed}")
    node.run("systemctl disable --now consumer; rm /etc/systemd/system/consumer.service; systemctl daemon-reload")
    volume.delete()


@scenario
def both_killed(cluster):
    """Keeper and controller of each node are killed at once: systemd's store keeps the mount."""
    for node in (cluster.owner().peer, cluster.owner()):
        volume = Volume(cluster, f"killed-{node.name}")
        writer = Host(node, MOUNT, volume.name)
        writer.start()
        before, mark = node.status(), writer.look().acknowledged()
        node.run("kill", "-KILL", before["keeper_pid"], before["pid"], check=False)
        lab.wait_until(lambda: (status := node.status()) and status["keeper_pid"] != before["keeper_pid"],
                       timeout=300, every=0.5, what="another keeper")
        cluster.await_healthy()
        writer.await_progress()
        stall, _ = writer.look().longest_stall(mark)
        cluster.step(f"both processes of {before['role']} {node.name} were killed: its host waited {stall:.1f} s, "
                     "and saw no error")
        writer.stop()
        volume.check(writer)
        volume.delete()
    epochs(cluster)
