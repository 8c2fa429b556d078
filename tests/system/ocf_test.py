#!/usr/bin/python3
"""The resource agents of packaging/ocf, as Pacemaker calls them, on two machines without systemd."""

import json
import re
import xml.etree.ElementTree

import lab
import recipes
from lab import SystemTest

AGENTS = lab.SOURCE / "packaging" / "ocf"
SUCCESS, GENERIC, UNIMPLEMENTED, NOT_INSTALLED, NOT_CONFIGURED, NOT_RUNNING, DEGRADED = 0, 1, 3, 5, 6, 7, 190


class OcfTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.pair = recipes.Machines(self.lab, start=False)
        self.left, self.right = self.pair.left, self.pair.right

    def write_settings(self, machine, peers=True):
        other = next(name for name in self.pair.names if name != machine.name)
        text = f'pool = "/srv/pool"\nnode = "{machine.name}"\nmount = "/mnt/volumes"\n'
        if peers:
            text += (f'[pair]\nlisten = "tcp://{machine.address}:7400"\n'
                     f'peers = ["{other}=tcp://{machine.ADDRESSES[other]}:7400"]\n'
                     f'key = "{self.pair.keys.secret(machine.name)}"\n'
                     f'allowed_keys = "{self.pair.keys.allowed}"\n')
        machine.sh("mkdir -p /etc/baton")
        machine.sh(f"cat >/etc/baton/pool.toml <<'END'\n{text}END")

    def agent(self, machine, action, agent="baton", **parameters):
        """Returns its exit status."""
        words = [f"OCF_RESKEY_{name}={value}" for name, value in parameters.items()]
        return int(machine.sh(f"status=0; env OCF_ROOT=/usr/lib/ocf OCF_RESOURCE_INSTANCE=b OCF_RA_VERSION_MAJOR=1 "
                              f"{' '.join(words)} {AGENTS / agent} {action} >/dev/null || status=$?; echo $status"))

    def expect(self, status, machine, action, **parameters):
        self.assertEqual(self.agent(machine, action, **parameters), status, f"{action} on {machine.name}")

    def status(self, machine):
        return json.loads(machine.sh("baton --json status || [ $? = 3 ]"))


class Tester(OcfTest):
    """ocf-tester of resource-agents calls everything, also twice and when nothing runs."""

    def test_both_agents_are_clean(self):
        self.write_settings(self.left, peers=False)
        for agent in ("baton", "place"):
            if agent == "place":
                self.expect(SUCCESS, self.left, "start")
            said = self.left.sh(f"ocf-tester -n test -o name=pool {AGENTS / agent} 2>&1 || echo FAILED")
            self.assertIn("passed all tests", said)
            self.assertNotIn("FAILED", said)
            self.assertNotIn("Warning", said)


class MetaData(SystemTest):
    def test_names_each_action_that_there_is(self):
        for agent in ("baton", "place"):
            data = lab.run(AGENTS / agent, "meta-data", env={"OCF_ROOT": "/usr/lib/ocf", "PATH": recipes.PATH}).stdout
            root = xml.etree.ElementTree.fromstring(data)
            self.assertEqual(root.get("name"), agent)
            cases = re.findall(r"^  ([a-z-]+(?: \| [a-z-]+)*)\)", (AGENTS / agent).read_text(), re.M)
            offered = {name for case in cases for name in case.split(" | ")} - {"usage", "help"}
            self.assertEqual({action.get("name") for action in root.iter("action")}, offered)


class Life(OcfTest):
    def test_of_a_pair(self):
        for machine in (self.left, self.right):
            self.write_settings(machine)
            self.expect(NOT_RUNNING, machine, "monitor")
            self.expect(SUCCESS, machine, "stop")
            self.assertIn(self.agent(machine, "start"), (SUCCESS, DEGRADED))
        for machine in (self.left, self.right):
            lab.wait_until(lambda m=machine: self.agent(m, "monitor") == SUCCESS, what="a healthy controller")
        self.crash_of_a_controller_is_none_of_pacemakers_business()
        self.death_of_all_is()
        self.stop_gives_the_pool_away()
        self.start_at_a_place_evicts_who_is_lost()

    def crash_of_a_controller_is_none_of_pacemakers_business(self):
        before = self.status(self.left)
        self.left.sh(f"kill -KILL {before['pid']}")
        self.assertIn(self.agent(self.left, "monitor"), (SUCCESS, DEGRADED))
        self.assertEqual(self.status(self.left)["keeper_pid"], before["keeper_pid"])

    def death_of_all_is(self):
        self.left.sh("pkill -KILL batond")
        self.expect(NOT_RUNNING, self.left, "monitor")
        self.expect(SUCCESS, self.left, "start")
        lab.wait_until(lambda: self.agent(self.left, "monitor") == SUCCESS, what="a healthy controller")

    def stop_gives_the_pool_away(self):
        """Also when somebody has broken the settings meanwhile, for which no node is fenced."""
        self.left.sh("baton failover --to left")
        self.left.sh("echo 'mout = 7' >>/etc/baton/pool.toml")
        self.expect(GENERIC, self.left, "monitor")
        self.expect(SUCCESS, self.left, "stop")
        self.write_settings(self.left)
        self.assertEqual(self.left.sh("pgrep --full '[b]atond --config' || true"), "")
        self.expect(NOT_RUNNING, self.left, "monitor")
        self.assertEqual(self.status(self.right)["role"], "owner")
        lab.wait_until(lambda: self.agent(self.right, "monitor") == DEGRADED, what="a peer that is missed")
        self.expect(SUCCESS, self.left, "start")

    def start_at_a_place_evicts_who_is_lost(self):
        """And only that one; the pool comes along if that is asked for."""
        self.right.sh("baton volume create disk --size 4M")
        lab.wait_until(lambda: self.agent(self.left, "monitor") == SUCCESS, what="a healthy pair")
        self.expect(NOT_RUNNING, self.left, "monitor", agent="place")
        self.expect(SUCCESS, self.left, "start", agent="place", own="true")
        self.expect(SUCCESS, self.left, "monitor", agent="place")
        self.assertEqual(self.status(self.left)["role"], "owner")
        self.assertFalse(any(node["evicted"] for node in self.status(self.left)["nodes"]))
        self.left.start("flock", "/mnt/volumes/disk", "sleep", "600")
        held = "flock --nonblock /mnt/volumes/disk true && echo free || echo held"
        lab.wait_until(lambda: self.right.sh(held) == "held\n", what="the lock")
        self.left.kill()
        lab.wait_until(lambda: self.status(self.right)["role"] == "owner", what="a takeover")
        self.assertEqual(self.right.sh(held), "held\n", "the lock of a node that may live is gone")
        self.expect(SUCCESS, self.right, "start", agent="place")
        self.assertEqual(self.right.sh(held), "free\n")
        self.expect(SUCCESS, self.right, "stop", agent="place")
        self.expect(NOT_RUNNING, self.right, "monitor", agent="place")


class Refused(OcfTest):
    def test_settings_that_are_wrong_or_missing(self):
        self.expect(NOT_INSTALLED, self.left, "validate-all")
        self.expect(NOT_INSTALLED, self.left, "start")
        self.expect(SUCCESS, self.left, "stop")
        self.write_settings(self.left)
        self.expect(SUCCESS, self.left, "validate-all")
        for agent in ("baton", "place"):
            self.expect(UNIMPLEMENTED, self.left, "promote", agent=agent)
        self.left.sh("echo 'mout = 7' >>/etc/baton/pool.toml")
        self.expect(NOT_CONFIGURED, self.left, "validate-all")


if __name__ == "__main__":
    lab.main()
