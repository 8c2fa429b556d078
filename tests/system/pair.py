"""Two controllers on one pool.

LocalPair: both on this machine, on loopback, without keys; cheap. NodePair: each in a node of its
own, with keys, a cable and a storage that can fail.
"""

import random
import socket

import lab
import nodes


def free_port():
    """Of loopback; none that the kernel gives to clients, so that it is free after a restart, too."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Keys:
    """A key of each node, all of them allowed to all."""

    def __init__(self, lab_, names):
        self.directory = lab_.make_directory("keys")
        lines = []
        for name in names:
            lab.run(lab.BUILD / "baton", "keygen", "--out", self.secret(name), "--node", name)
            lines.append(self.secret(name).with_suffix(".pub").read_text())
        self.allowed = self.directory / "allowed"
        self.allowed.write_text("".join(lines))

    def secret(self, name):
        return self.directory / name

    def options(self, name):
        return ["--key", str(self.secret(name)), "--allowed-keys", str(self.allowed)]


class Pair:
    """Controllers by name. At first all are off."""

    names = ("a", "b")

    def __init__(self, lab_):
        self.lab = lab_
        self.pool = lab_.make_pool()
        self.controllers = {}

    def listen_for_http(self):
        """Each serves HTTP once it is started. Returns the ports, by name."""
        ports = {name: free_port() for name in self.names}
        for name, port in ports.items():
            self[name].options += ["--http-listen", str(port)]
        return ports

    def _links(self, name, addresses):
        """The options by which `name` knows the others."""
        peers = [f"--peer={other}={addresses[other]}" for other in self.names if other != name]
        return [f"--listen={addresses[name]}", *peers]

    def __getitem__(self, name):
        return self.controllers[name]

    def other(self, name):
        return next(other for other in self.names if other != name)

    def start(self, *names):
        """Those named, or all; returns when they agree on an owner."""
        for name in names or self.names:
            self[name].start()
        return self.wait_agreed()

    # ---- who is what ----

    def running(self):
        return [controller for controller in self.controllers.values() if controller.process]

    def statuses(self):
        """Of all that are on; None for one that does not answer."""
        return {controller.node: controller.try_status(timeout=3)
                for controller in self.running()}

    def agreed(self):
        """The owner's status, if all that are on agree who that is, and each sees the others;
        otherwise None."""
        found = self.statuses()
        if not found or None in found.values():
            return None
        first = next(iter(found.values()))
        if len({(status["owner"], status["epoch"]) for status in found.values()}) != 1:
            return None
        roles = {name: status["role"] for name, status in found.items()}
        expected = {name: "owner" if name == first["owner"] else "standby" for name in found}
        if roles != expected or first["owner"] not in found:
            return None
        for status in found.values():
            reachable = {node["name"] for node in status["nodes"] if node["reachable"]}
            if not found.keys() <= reachable | {status["node"]}:
                return None
        return found[first["owner"]]

    def wait_agreed(self, timeout=60):
        try:
            return lab.wait_until(self.agreed, timeout=timeout, every=0.05, what="agreement")
        except AssertionError:
            raise AssertionError(f"no agreement within {timeout} s: {self.statuses()}") from None

    def wait_owner(self, name, timeout=60):
        """Until `name` is the owner and the others know."""
        def is_owner():
            status = self.agreed()
            return status if status and status["owner"] == name else None
        return lab.wait_until(is_owner, timeout=timeout, every=0.02, what=f"{name} as the owner")

    def owner(self):
        return self[self.wait_agreed()["owner"]]

    def standby(self):
        return self[self.other(self.owner().node)]

    def said(self, lines=60):
        """What there is to know after a failure."""
        parts = [f"statuses: {self.statuses()}"]
        for name, controller in self.controllers.items():
            log = controller.log_text() if controller.log.exists() else ""
            parts += [f"---- log of {name}", *log.splitlines()[-lines:]]
        return "\n".join(parts)


class LocalPair(Pair):
    def __init__(self, lab_, options=()):
        super().__init__(lab_)
        addresses = {name: f"tcp://127.0.0.1:{free_port()}" for name in self.names}
        for name in self.names:
            links = self._links(name, addresses)
            self.controllers[name] = lab_.make_controller(
                self.pool, node=name, options=[*links, "--insecure", *options])


class NodePair(Pair):
    """`faulty`: storage is a mirror that can fail. As with any file system that Baton does not know,
    the death of a process is then no proof that its writes have ended: takeovers wait for the
    lease."""

    node_type = nodes.Node

    def __init__(self, lab_, options=(), faulty=False):
        super().__init__(lab_)
        self.network = nodes.Network(lab_)
        self.nodes = {name: self.node_type(lab_, self.network, name) for name in self.names}
        self.storages = {name: nodes.Storage(lab_, self.pool, f"pool-{name}", node)
                         for name, node in self.nodes.items()} if faulty else {}
        self.keys = Keys(lab_, self.names)
        addresses = {name: f"tcp://{node.address}:{nodes.PORT}"
                     for name, node in self.nodes.items()}
        for name, node in self.nodes.items():
            self.controllers[name] = nodes.NodeController(
                node, self.storages[name].mount if faulty else self.pool,
                [*self._links(name, addresses), *self.keys.options(name), *options])

    def kill_node(self, name):
        self.nodes[name].kill()
        self[name].gone()

    def boot(self, name):
        """After kill_node(): the node with its storage and its controller."""
        self.nodes[name].boot()
        if self.storages:
            self.storages[name].attach()
        self[name].start()
