"""What is done to two machines while hosts write in both: loss of power, suspension, outages."""

import time

from cluster import MOUNT, UNIT
from hosts import Host
from scenarios import check, Clone, epochs, scenario, Volume

SUSPENDED_SECONDS = 60
OUTAGE_SECONDS = 30
FLAPS_SECONDS = 120
FLAP_SECONDS = 3
# Less than what an NFS server takes that has delegated files to the owner.
TAKEOVER_STALL_SECONDS = {True: 60, False: 6}
COPIED = 20  # extents before something happens
EXTENTS_IN_FLIGHT = 64


class Load:
    """A host in each node, with a volume each."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.volumes = {node.name: Volume(cluster, f"{name}-{node.name}") for node in cluster.nodes}
        self.hosts = {node.name: Host(node, MOUNT, self.volumes[node.name].name) for node in cluster.nodes}
        for host in self.hosts.values():
            host.start()

    def mark(self):
        self._marks = {name: host.look().acknowledged() for name, host in self.hosts.items()}

    def stall(self, node):
        """(seconds, when it began by the node's clock) since mark(): the longest."""
        return self.hosts[node.name].look().longest_stall(self._marks[node.name])

    def await_progress(self, *nodes):
        for node in nodes:
            self.hosts[node.name].await_progress()

    def end(self, *nodes):
        """Of those that run in `nodes`; every acknowledged write of all of them is there."""
        for node in nodes:
            self.hosts[node.name].check()
            self.hosts[node.name].stop()
        for name, volume in self.volumes.items():
            volume.check(self.hosts[name])
            volume.delete()
        epochs(self.cluster)


def timeline(node, begin):
    """The events of a node since `begin`, by its clock, as a line."""
    found = [f"{event['unix_us'] / 1e6 - begin:+.1f} {event['kind']}" for event in node.events()
             if event["unix_us"] / 1e6 > begin - 1]
    return ", ".join(found)


def check_stall(cluster, node, load, what):
    seconds, begin = load.stall(node)
    cluster.step(f"{what}: the host of {node.name} waited {seconds:.1f} s; {timeline(node, begin)}")
    check(seconds < TAKEOVER_STALL_SECONDS[cluster.emulated], f"the host of {node.name} waited {seconds:.1f} s")


@scenario
def power_loss(cluster):
    """The owner's machine loses its power in the middle of a clone; the other one takes over."""
    left, right = cluster.nodes
    cluster.make_owner(left)
    load = Load(cluster, "power")
    clone = Clone(left, load.volumes["right"], load.hosts["right"])
    before = clone.await_copying(right, COPIED)
    load.mark()
    left.power_off()
    status = cluster.await_owner(right)
    check(status["proof"] == "lease", f"{status}")
    load.await_progress(right)
    check_stall(cluster, right, load, f"left lost its power with {before['extents_copied']} extents copied")
    after = clone.status(right)
    check(after["extents_copied"] >= before["extents_copied"], f"progress went back: {before}, {after}")
    after = clone.finish(right)
    again = after["copies_total"] - after["extents_total"]
    check(0 <= again <= EXTENTS_IN_FLIGHT, f"{again} extents were copied again")
    left.start()
    left.await_boot()
    cluster.await_healthy()
    check(left.status()["role"] == "standby", "the node that came back is no standby")
    clone.delete(right)
    load.end(right)


def suspend_owner(cluster, load, proof):
    """Returns when the node that was suspended is a standby again."""
    left, right = cluster.nodes
    load.mark()
    left.pause()
    began = time.monotonic()
    status = cluster.await_owner(right)
    check(status["proof"] == proof, f"{status}")
    load.await_progress(right)
    check_stall(cluster, right, load, "left was suspended")
    return began


@scenario
def suspend_lease(cluster):
    """The owner's machine is suspended for a minute. The lease is the proof: it must see that at once."""
    left, right = cluster.nodes
    cluster.make_owner(left)
    load = Load(cluster, "suspend")
    began = suspend_owner(cluster, load, "lease")
    time.sleep(max(0, began + SUSPENDED_SECONDS - time.monotonic()))
    left.resume()
    cluster.await_healthy()
    check(left.status()["role"] == "standby", "the node that was suspended is no standby")
    load.await_progress(left, right)
    load.end(left, right)


@scenario
def suspend_fence(cluster):
    """The owner's machine is suspended, and the fence command takes its power."""
    left, right = cluster.nodes
    cluster.start_power_switch()
    cluster.change_settings(cluster.fence_settings)
    cluster.make_owner(left)
    load = Load(cluster, "fence")
    suspend_owner(cluster, load, "fence")
    check(not left.is_on(), "the machine that was fenced is on")
    left.start()
    left.await_boot()
    cluster.await_healthy()
    load.end(right)
    cluster.change_settings(lambda node: "")


def outage(cluster, begin, end, what):
    """The storage is away for a time; both hosts wait, and go on."""
    load = Load(cluster, "outage")
    load.mark()
    begin()
    time.sleep(OUTAGE_SECONDS)
    end()
    for node in cluster.nodes:
        load.hosts[node.name].await_progress(timeout=300)
    cluster.await_healthy()
    waits = {node.name: round(load.stall(node)[0], 1) for node in cluster.nodes}
    cluster.step(f"{what} for {OUTAGE_SECONDS} s: hosts waited {waits} s")
    load.end(*cluster.nodes)


@scenario
def storage_away(cluster):
    """The NFS server does not answer for 30 s, and is back; then its service is stopped for as long."""
    outage(cluster, cluster.storage.pause, cluster.storage.resume, "the server was suspended")
    outage(cluster, lambda: cluster.storage.run("systemctl", "stop", "nfs-server"),
           lambda: cluster.storage.run("systemctl", "start", "nfs-server"), "the service was stopped")


@scenario
def wall_clock(cluster):
    """The clocks of the two machines are set a day forth and back: nothing happens."""
    load = Load(cluster, "clock")
    before = cluster.await_healthy()
    load.mark()
    for node, sign in zip(cluster.nodes, ("+", "-")):
        node.run("date", "--set", f"{sign}1 day")
    time.sleep(10)
    load.await_progress(*cluster.nodes)
    after = cluster.await_healthy()
    check(after["epoch"] == before["epoch"], f"a clock that was set has moved the pool: {before}, {after}")
    for node in cluster.nodes:
        check(load.stall(node)[0] < 10, f"a clock that was set held up the host of {node.name}")
    for node, sign in zip(cluster.nodes, ("-", "+")):
        node.run("date", "--set", f"{sign}1 day")
    load.await_progress(*cluster.nodes)
    check(cluster.await_healthy()["epoch"] == before["epoch"], "the pool has moved")
    load.end(*cluster.nodes)


@scenario
def flapping(cluster):
    """The link between the nodes goes down and up every 3 s: no fence, and few takeovers."""
    cluster.start_power_switch()
    cluster.change_settings(cluster.fence_settings)
    load = Load(cluster, "flap")
    before = cluster.await_healthy()
    standby = cluster.owner().peer
    load.mark()
    end = time.monotonic() + FLAPS_SECONDS
    while time.monotonic() < end:
        standby.cut("peers")
        time.sleep(FLAP_SECONDS)
        standby.heal("peers")
        time.sleep(FLAP_SECONDS)
    after = cluster.await_healthy()
    load.await_progress(*cluster.nodes)
    waits = {node.name: round(load.stall(node)[0], 1) for node in cluster.nodes}
    kinds = [event["kind"] for event in cluster.owner().events()[-400:]]
    alarms = {node.name: node.said(f"journalctl --boot --unit {UNIT} | grep -c 'alarm:' || true")
              for node in cluster.nodes}
    cluster.step(f"the link flapped for {FLAPS_SECONDS} s: epochs {before['epoch']} to {after['epoch']}, hosts waited "
                 f"{waits} s, alarms {alarms}, suspected {kinds.count('owner-suspected')} times")
    check("fence-started" not in kinds, "a link that flaps has fenced a node")
    check(after["epoch"] == before["epoch"], "a link that flaps has moved the pool")
    load.end(*cluster.nodes)
    cluster.change_settings(lambda node: "")


@scenario(suites=("trixie", "bookworm"))
def releases(cluster):
    """A node with Debian 12 beside one with Debian 13: each takes over from the other."""
    load = Load(cluster, "releases")
    for node in (cluster.left, cluster.right, cluster.left):
        cluster.make_owner(node)
        load.await_progress(*cluster.nodes)
    load.end(*cluster.nodes)
