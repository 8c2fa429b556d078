"""What happens to a pair in a round of its tests: faults by name, drawn from a seed.

A fault is a function of (round) that strikes, waits, and heals; when it returns every node is on
and every cable and storage is well. What the pair then needs to recover is its own affair.
"""

import contextlib
import os
import random
import signal
import subprocess
import time

import lab

LONG_HANG_SECONDS = 6.5  # longer than the lease, and than what the standby waits for


class Round:
    """One fault that strikes `victim`, an owner or not; or two."""

    def __init__(self, pair, seed, names):
        self.pair = pair
        self.random = random.Random(seed)
        self.names = names
        self.victim = None
        self.struck = []  # what and whom
        self.handovers = 0  # that were carried out
        self.rebooted = set()  # nodes that died meanwhile: what ran there is gone

    def run(self):
        for name in self.names:
            self.victim = self.pick_victim()
            self.struck.append(f"{name}({self.victim})")
            FAULTS[name](self)

    def pick_victim(self):
        owner = self.pair.wait_agreed()["owner"]
        return owner if self.random.random() < 0.75 else self.pair.other(owner)

    # ---- the parts of faults ----

    @property
    def controller(self):
        return self.pair[self.victim]

    @property
    def node(self):
        return self.pair.nodes[self.victim]

    @property
    def storage(self):
        return self.pair.storages[self.victim]

    def sleep(self, low, high):
        time.sleep(self.random.uniform(low, high))


def kill_controller(it):
    it.controller.kill_controller()
    it.sleep(0, 0.3)


def kill_twice(it):
    """And the one that takes its place, or the other node's, while that is taking over."""
    it.controller.kill_controller()
    it.sleep(0, 0.4)
    it.pair[it.random.choice(it.pair.names)].kill_controller()


def kill_both_controllers(it):
    for controller in it.pair.running():
        controller.kill_controller()


def kill_node(it):
    it.pair.kill_node(it.victim)
    it.rebooted.add(it.victim)
    it.sleep(0.2, 6.0)  # before or after the other has taken over
    it.pair.boot(it.victim)


def stop_controller(it):
    """SIGSTOP; the keeper replaces it, or it goes on in time."""
    process = lab.Process(it.controller.controller_pid())
    process.signal(signal.SIGSTOP)
    it.sleep(0.2, 5.5)
    process.signal(signal.SIGCONT)
    process.close()


def freeze_node(it):
    it.node.freeze()
    it.sleep(0.2, LONG_HANG_SECONDS)
    it.node.thaw()


def cut_cable(it):
    it.node.cut()
    it.sleep(0.2, 3.0)
    it.node.heal()


def lose_sent(it):
    it.node.lose_sent()
    it.sleep(0.5, 2.5)
    it.node.heal()


def lose_received(it):
    it.node.lose_received()
    it.sleep(0.5, 2.5)
    it.node.heal()


def storage_error(it):
    it.storage.fault(it.random.choice(("all eio", "all eio", "writes eio", "syncs eio")))
    it.sleep(0.3, 5.0)
    it.storage.heal()


def storage_hang(it):
    """What hangs for long is never carried out: as when the storage has shut the node out."""
    it.storage.fault("all hang")
    if it.random.random() < 0.5:
        it.sleep(0.2, 1.5)
        it.storage.heal()
    else:
        time.sleep(LONG_HANG_SECONDS)
        it.storage.fence()


def storage_slow(it):
    it.storage.fault(f"all delay {it.random.randrange(5, 60)}")
    it.sleep(0.5, 2.0)
    it.storage.heal()


def handover(it):
    owner = it.pair.wait_agreed()["owner"]
    target = it.pair.other(owner)
    it.pair[it.victim].run("failover", "--to", target, timeout=60)
    it.handovers += 1


def kill_during_handover(it):
    """Whoever dies, there is an owner afterwards."""
    owner = it.pair.wait_agreed()["owner"]
    command = subprocess.Popen(
        [lab.BUILD / "baton", "--control", it.pair[owner].control, "failover", "--to",
         it.pair.other(owner)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    it.sleep(0, 0.15)
    it.controller.kill_controller()
    with contextlib.suppress(subprocess.TimeoutExpired):
        command.wait(30)
    lab.end_process(command)


def cut_and_kill(it):
    """The one that dies has nobody whom it could tell."""
    it.node.cut()
    it.sleep(0, 0.5)
    it.controller.kill_controller()
    it.sleep(0.2, 2.0)
    it.node.heal()


def cut_and_storage_error(it):
    it.node.cut()
    it.storage.fault("all eio")
    it.sleep(0.5, 5.0)
    it.storage.heal()
    it.node.heal()


FAULTS = {function.__name__: function for function in (
    kill_controller, kill_twice, kill_both_controllers, kill_node, stop_controller, freeze_node,
    cut_cable, lose_sent, lose_received, storage_error, storage_hang, storage_slow, handover,
    kill_during_handover, cut_and_kill, cut_and_storage_error)}

# How often each comes among so many rounds.
WEIGHTS = {
    "kill_controller": 6, "kill_twice": 3, "kill_both_controllers": 1, "kill_node": 3,
    "stop_controller": 3, "freeze_node": 2, "cut_cable": 2, "lose_sent": 1, "lose_received": 1,
    "handover": 4, "kill_during_handover": 3, "cut_and_kill": 1,
}
# On storage that can fail.
STORAGE_WEIGHTS = {
    "storage_error": 3, "storage_hang": 3, "storage_slow": 1, "cut_and_storage_error": 1,
    "kill_controller": 1, "handover": 1,
}


def schedule(rounds, seed, weights):
    """A seed and the names of the faults of each round: every kind as often as its weight says,
    shuffled; one round in six has two."""
    rng = random.Random(seed)
    bag = []
    plan = []
    while len(plan) < rounds:
        names = []
        for _ in range(2 if rng.random() < 1 / 6 else 1):
            if not bag:
                bag = [name for name, weight in weights.items() for _ in range(weight)]
                rng.shuffle(bag)
            names.append(bag.pop())
        plan.append((rng.randrange(1 << 30), names))
    return plan


def is_stopped(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii") as file:
        return "\nState:\tT" in file.read()
    return False


def wake(pair):
    """Undoes what a fault that was interrupted has left."""
    for name, node in pair.nodes.items():
        if node.is_on():
            node.thaw()
            node.heal()
            if pair.storages:
                pair.storages[name].fence()
            for pid in pair[name].child_pids():
                if is_stopped(pid):
                    os.kill(pid, signal.SIGCONT)
