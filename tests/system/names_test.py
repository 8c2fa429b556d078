#!/usr/bin/python3
"""Peers that are named, and a name server that does not answer any more."""

import time

import lab
import nodes
from lab import SystemTest
from pair import NodePair

# Takes questions and never answers.
SILENT_SERVER = """
import socket, time
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.53", 53))
time.sleep(1000)
"""


class NamedPair(NodePair):
    """The nodes know each other by names, which stand in a file of each node's own."""

    def __init__(self, lab_):
        super().__init__(lab_)
        directory = lab_.make_directory("names")
        self.hosts = directory / "hosts"
        resolver = directory / "resolv.conf"
        resolver.write_text("nameserver 127.0.0.53\n")
        self.hosts.write_text("".join(f"{node.address} {name}.machines.example\n"
                                      for name, node in self.nodes.items()))
        for name, node in self.nodes.items():
            node.run("mount", "--bind", self.hosts, "/etc/hosts")
            node.run("mount", "--bind", resolver, "/etc/resolv.conf")
            node.start("python3", "-c", SILENT_SERVER)
            other = self.other(name)
            self[name].options = [
                f"--peer={other}=tcp://{other}.machines.example:{nodes.PORT}"
                if option.startswith("--peer=") else option for option in self[name].options]

    def forget_names(self):
        self.hosts.write_text("")


class SilentNameServer(SystemTest):
    def setUp(self):
        super().setUp()
        self.pair = NamedPair(self.lab)
        self.pair.start("a")
        self.pair.start("b")
        self.pair.owner().create_volume("vol", "1M")
        self.pair.forget_names()

    def read(self, name):
        """How long a program on that node waits for a block."""
        begin = time.monotonic()
        controller = self.pair[name]
        controller.machine.run("dd", f"if={controller.mount / 'vol'}", "of=/dev/null", "bs=4K",
                               "count=1", "iflag=direct", timeout=25)
        return time.monotonic() - begin

    def test_a_standby_that_starts_again_finds_its_owner(self):
        standby = self.pair.standby()
        pid = standby.kill_controller()
        standby.wait_restarted(pid)
        self.assertLess(self.read(standby.node), 5)
        self.pair.wait_agreed(timeout=10)

    def test_a_network_that_was_cut_is_used_again(self):
        standby = self.pair.standby()
        standby.machine.cut()
        time.sleep(3)
        standby.machine.heal()
        self.pair.wait_agreed(timeout=10)
        self.assertLess(self.read(standby.node), 5)


if __name__ == "__main__":
    lab.main()
