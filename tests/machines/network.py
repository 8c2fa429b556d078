"""Switches in a network namespace of their own, with a cable to each card of each guest."""

import lab
import nodes

# Of the guests' cards, in their order: what controllers say to each other, and the storage.
SUBNETS = {"peers": "10.0.0", "storage": "10.0.1"}
OPERATOR = 254  # the harness itself, in each of them


class Network:
    def __init__(self, lab_):
        self._holder, self._pid = nodes.start_holder("--net")
        lab_.on_close(lab.end_process, self._holder)
        self._ip("link", "set", "lo", "up")
        for name, subnet in SUBNETS.items():
            self._ip("link", "add", name, "type", "bridge")
            self._ip("address", "add", f"{subnet}.{OPERATOR}/24", "dev", name)
            self._ip("link", "set", name, "up")

    def _ip(self, *words):
        lab.run(*self.inside("ip", *words))

    def inside(self, *command):
        """The command line that runs `command` in this network."""
        return ["nsenter", f"--net=/proc/{self._pid}/ns/net", *map(str, command)]

    def add_cable(self, switch, cable):
        self._ip("tuntap", "add", "dev", cable, "mode", "tap")
        self._ip("link", "set", cable, "master", switch, "up")
