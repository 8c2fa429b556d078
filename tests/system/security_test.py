#!/usr/bin/python3
"""Whoever has no allowed key gets nothing from the controllers and changes nothing, but is counted."""

import os
import random
import socket
import ssl
import subprocess
import threading
import time

import lab
from lab import MIB, REFUSED, USAGE, SystemTest
from pair import Keys, Pair, free_port

# The greeting of ZeroMQ's wire protocol, 64 bytes, by the security mechanism it offers.
GREETINGS = {name: b"\xff" + bytes(8) + b"\x7f\x03\x01" + name.ljust(20, b"\0") + bytes(32)
             for name in (b"NULL", b"PLAIN", b"CURVE")}
NULL_READY = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"


class Relay:
    """Between two controllers: passes on what they say, and keeps it."""

    def __init__(self, lab_, target):
        self.target = target
        self.recorded = []  # of each connection, what the client said
        self.port = free_port()
        self._server = socket.create_server(("127.0.0.1", self.port))
        self._open = [self._server]
        lab_.on_close(lambda: [end.close() for end in self._open])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            said = bytearray()
            self.recorded.append(said)
            self._open += [client, server]
            for source, sink, keep in ((client, server, said), (server, client, None)):
                threading.Thread(target=self._pump, args=(source, sink, keep), daemon=True).start()

    @staticmethod
    def _pump(source, sink, keep):
        try:
            while data := source.recv(65536):
                if keep is not None and len(keep) < MIB:
                    keep += data
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class KeyedPair(Pair):
    """On loopback, with keys; b is reached through a relay."""

    def __init__(self, lab_):
        super().__init__(lab_)
        self.keys = Keys(lab_, [*self.names, "stranger"])
        allowed = [line for line in self.keys.allowed.read_text().splitlines()
                   if not line.startswith("stranger")]
        self.keys.allowed.write_text("\n".join(allowed) + "\n")
        self.ports = {name: free_port() for name in self.names}
        self.data_ports = {name: free_port() for name in self.names}
        self.relay = Relay(lab_, self.ports["b"])
        listens = {name: f"tcp://127.0.0.1:{port}" for name, port in self.ports.items()}
        reached = {"a": listens["a"], "b": f"tcp://127.0.0.1:{self.relay.port}"}
        for name in self.names:
            other = self.other(name)
            settings = lab_.directory / f"{name}.toml"
            settings.write_text(f"[pair]\ndata_port = {self.data_ports[name]}\n")
            self.controllers[name] = lab_.make_controller(
                self.pool, node=name, options=[f"--listen={listens[name]}",
                                               f"--peer={other}={reached[other]}",
                                               "--config", str(settings), *self.keys.options(name)])


class SecurityTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.pair = KeyedPair(self.lab)
        self.pair.start()
        self.before = self.pair.wait_agreed()
        self.pair.owner().create_volume("vol", MIB)

    def check_nothing_has_changed(self):
        """One owner, the same epoch; both serve, and see each other."""
        status = self.pair.wait_agreed(timeout=20)
        self.assertEqual((status["owner"], status["epoch"]),
                         (self.before["owner"], self.before["epoch"]))
        for controller in self.pair.controllers.values():
            data = os.urandom(4096)
            with open(controller.path("vol"), "r+b", buffering=0) as file:
                os.pwrite(file.fileno(), data, 0)
                self.assertEqual(os.pread(file.fileno(), 4096, 0), data)
            self.assertEqual([volume["name"] for volume in
                              controller.json("volume", "list")["volumes"]], ["vol"])

    def refused(self, name):
        """How much a controller has refused."""
        return sum(self.pair[name].try_status()["refused"].values())

    def send(self, port, *pieces):
        """What the controller answers, if anything, within a moment."""
        answer = b""
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.settimeout(0.2)
            try:
                for piece in pieces:
                    connection.sendall(piece)
                while data := connection.recv(4096):
                    answer += data
            except OSError:
                pass
        return answer

    def wait_refused(self, name, before):
        lab.wait_until(lambda: self.refused(name) > before, timeout=10, every=0.2,
                       what="a count of what was refused")

    # ---- tests ----

    def test_garbage_on_the_port(self):
        rng = random.Random(1)
        for name, port in self.pair.ports.items():
            before = self.refused(name)
            for length in (0, 1, 11, 64, 1000, 100_000):
                self.send(port, rng.randbytes(length))
            self.wait_refused(name, before)
        self.check_nothing_has_changed()

    def test_client_without_a_key(self):
        rng = random.Random(2)
        for name, port in self.pair.ports.items():
            before = self.refused(name)
            for mechanism, greeting in GREETINGS.items():
                answer = self.send(port, greeting, NULL_READY,
                                   *(b"\x00\x20" + rng.randbytes(32) for _ in range(20)))
                self.assertNotIn(b"READY", answer, mechanism)
            self.wait_refused(name, before)
        self.check_nothing_has_changed()

    def test_fuzzed_handshake(self):
        """What a controller said once, with bytes changed."""
        rng = random.Random(3)
        lab.wait_until(lambda: any(len(said) > 500 for said in self.pair.relay.recorded),
                       what="something recorded")
        said = max(self.pair.relay.recorded, key=len)[:4000]
        for _ in range(200):
            changed = bytearray(said[:rng.randrange(1, len(said))])
            for _ in range(rng.randrange(1, 8)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            with socket.create_connection(("127.0.0.1", self.pair.ports["b"])) as connection:
                try:
                    connection.sendall(changed)
                except OSError:
                    pass
        self.check_nothing_has_changed()

    def test_replayed_connection(self):
        lab.wait_until(lambda: any(len(said) > 500 for said in self.pair.relay.recorded),
                       what="something recorded")
        time.sleep(1)  # some heartbeats and calls
        for said in list(self.pair.relay.recorded):
            for _ in range(3):
                self.send(self.pair.ports["b"], bytes(said))
        self.check_nothing_has_changed()

    def test_controller_with_another_key_is_not_believed(self):
        """Neither by the one whom it tells that it is b."""
        before = self.refused("a")
        self.pair["b"].stop()
        pool = self.lab.make_pool("elsewhere")
        stranger = self.lab.make_controller(pool, node="c", mount=self.lab.make_directory("m"))
        stranger.node = "b"
        stranger.control = self.lab.directory / "control-stranger"
        stranger.options = [f"--listen=tcp://127.0.0.1:{self.pair.ports['b']}",
                            f"--peer=a=tcp://127.0.0.1:{self.pair.ports['a']}",
                            "--key", str(self.pair.keys.secret("stranger")),
                            "--allowed-keys", str(self.pair.keys.allowed)]
        stranger.start()
        self.wait_refused("a", before)
        seen = {node["name"]: node["reachable"] for node in self.pair["a"].try_status()["nodes"]}
        self.assertFalse(seen["b"])
        stranger.stop()
        self.pair["b"].start()
        self.check_nothing_has_changed()

    def test_key_is_replaced_while_hosts_write(self):
        longest, stop = [0.0], threading.Event()

        def write():
            with open(self.pair["b"].path("vol"), "r+b", buffering=0) as file:
                while not stop.wait(0.01):
                    begin = time.monotonic()
                    os.pwrite(file.fileno(), os.urandom(4096), 4096)
                    longest[0] = max(longest[0], time.monotonic() - begin)

        def upgrade(name):
            self.pair[name].upgrade()
            self.pair.wait_agreed()

        keys = self.pair.keys
        host = threading.Thread(target=write)
        host.start()
        try:
            old = keys.allowed.read_text()
            keys.secret("a").rename(keys.directory / "a.old")
            keys.secret("a").with_suffix(".pub").unlink()
            line = lab.run(lab.BUILD / "baton", "keygen", "--out", keys.secret("a"), "--node",
                           "a").stdout
            keys.secret("a").rename(keys.directory / "a.new")
            keys.secret("a").with_suffix(".old").rename(keys.secret("a"))
            keys.allowed.write_text(old + line)
            upgrade("b")
            upgrade("a")
            (keys.directory / "a.new").rename(keys.secret("a"))
            upgrade("a")
            keys.allowed.write_text(line + "".join(
                kept + "\n" for kept in old.splitlines() if not kept.startswith("a ")))
            upgrade("b")
            upgrade("a")
        finally:
            stop.set()
            host.join()
        self.assertLess(longest[0], 4)
        for controller in self.pair.controllers.values():
            self.assertEqual(controller.json("status")["refused"]["keys"], 0)

    def test_upgrade_with_key_files_that_others_may_write_is_refused(self):
        before = self.pair.owner().json("status")["pid"]
        self.pair.keys.allowed.chmod(0o666)
        line = self.pair.owner().refused("upgrade")
        self.assertIn(str(self.pair.keys.allowed), line)
        self.pair.keys.allowed.chmod(0o644)
        self.assertEqual(self.pair.owner().json("status")["pid"], before)
        self.check_nothing_has_changed()

    def test_upgrade_with_a_key_that_others_may_read_is_refused(self):
        owner = self.pair.owner()
        before = owner.json("status")["pid"]
        secret = self.pair.keys.secret(owner.node)
        secret.chmod(0o640)
        self.assertIn(f"{secret} may be used by others", owner.refused("upgrade"))
        secret.chmod(0o600)
        self.assertEqual(owner.json("status")["pid"], before)
        self.check_nothing_has_changed()

    def test_log_is_not_flooded(self):
        position = self.pair["a"].log.stat().st_size
        for _ in range(300):
            self.send_and_forget(self.pair.ports["a"])
        time.sleep(0.5)
        lines = self.pair["a"].log_text(position).splitlines()
        self.assertLess(len(lines), 20, lines[:30])
        self.check_nothing_has_changed()

    # ---- the port of forwarded I/O ----

    def check_data_port(self, attack):
        """While `attack` goes on at the owner's data port, which gets it, the genuine standby is
        served; what comes is refused, counted, and said in a few lines."""
        owner = self.pair.owner()
        standby = self.pair[self.pair.other(owner.node)]
        refused = self.refused(owner.node)
        position = owner.log.stat().st_size
        longest, written, stop = [0.0], [0], threading.Event()

        def write():
            with open(standby.path("vol"), "r+b", buffering=0) as file:
                while not stop.wait(0.002):
                    begin = time.monotonic()
                    data = os.urandom(4096)
                    os.pwrite(file.fileno(), data, 8192)
                    self.assertEqual(os.pread(file.fileno(), 4096, 8192), data)
                    longest[0] = max(longest[0], time.monotonic() - begin)
                    written[0] += 1

        host = threading.Thread(target=write)
        host.start()
        try:
            attack(self.pair.data_ports[owner.node])
        finally:
            stop.set()
            host.join()
        self.assertGreater(written[0], 10)
        self.assertLess(longest[0], 2)
        self.wait_refused(owner.node, refused)
        lines = owner.log_text(position).splitlines()
        self.assertLess(len(lines), 20, lines[:30])
        self.check_nothing_has_changed()

    def test_garbage_on_the_data_port(self):
        def attack(port):
            rng = random.Random(4)
            for length in (0, 1, 5, 56, 64, 1000, 100_000):
                for head in (b"", b"\x16\x03\x01\x02\x00", b"BTAP\x01\x00\x0b\x00"):
                    self.assertNotIn(b"BTAP", self.send(port, head + rng.randbytes(length)))
        self.check_data_port(attack)

    def test_tls_of_another_key_on_the_data_port(self):
        def attack(port):
            for _ in range(20):
                result = subprocess.run(
                    ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3",
                     "-psk_identity", "12345678", "-psk", os.urandom(32).hex()],
                    input=b"", capture_output=True, check=False, timeout=20)
                self.assertNotEqual(result.returncode, 0, result.stdout)
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                    with self.assertRaises(OSError):
                        context.wrap_socket(connection)
        self.check_data_port(attack)

    def test_hello_and_then_silence_on_the_data_port(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            ssl.create_default_context().wrap_bio(incoming, outgoing,
                                                  server_hostname="x").do_handshake()
        except ssl.SSLWantReadError:
            pass
        hello = outgoing.read()

        def attack(port):
            silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
            for i, connection in enumerate(silent):
                try:
                    connection.sendall(hello[:len(hello) if i % 2 else 100])
                except OSError:
                    pass
            time.sleep(4)
            for connection in silent:
                connection.settimeout(1)
                try:
                    while connection.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
                connection.close()
        self.check_data_port(attack)

    def test_thousands_of_connections_to_the_data_port(self):
        def attack(port):
            for _ in range(10):
                crowd = []
                for _ in range(300):
                    crowd.append(socket.create_connection(("127.0.0.1", port), timeout=5))
                    try:
                        crowd[-1].sendall(b"GET / HTTP/1.0\r\n\r\n" * (len(crowd) % 2))
                    except OSError:
                        pass
                for connection in crowd:
                    connection.close()
        self.check_data_port(attack)

    @staticmethod
    def send_and_forget(port):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n" * 4)


class Refusals(SystemTest):
    """What batond does not start with."""

    def refused(self, *words, code=(REFUSED, USAGE)):
        controller = self.lab.make_controller(options=words)
        found, line = controller.start_refused()
        self.assertIn(found, code, line)
        return line

    def test_plaintext_beyond_this_machine(self):
        self.refused("--insecure", "--listen", "tcp://10.90.0.1:7400", "--peer",
                     "b=tcp://10.90.0.2:7400")

    def test_neither_keys_nor_insecure(self):
        self.refused("--listen", f"tcp://127.0.0.1:{free_port()}", "--peer",
                     f"b=tcp://127.0.0.1:{free_port()}")

    def test_key_that_others_may_read(self):
        keys = Keys(self.lab, ["a", "b"])
        keys.secret("a").chmod(0o644)
        line = self.refused("--listen", f"tcp://127.0.0.1:{free_port()}", "--peer",
                            f"b=tcp://127.0.0.1:{free_port()}", *keys.options("a"))
        self.assertIn(str(keys.secret("a")), line)

    def test_file_system_without_direct_io(self):
        controller = self.lab.make_controller(options=(
            "--insecure", "--listen", f"tcp://127.0.0.1:{free_port()}", "--peer",
            f"b=tcp://127.0.0.1:{free_port()}"))
        lab.run("mount", "-t", "ramfs", "none", controller.pool)
        try:
            lab.run(lab.BUILD / "baton", "pool", "init", controller.pool)
            self.assertIn("direct I/O", controller.start_refused()[1])
        finally:
            lab.run("umount", controller.pool)


if __name__ == "__main__":
    lab.main()
