#!/usr/bin/python3
"""What is not what it should be is refused by name; nothing is guessed, nothing is changed."""

import ctypes
import os
import pathlib
import socket
import struct

import lab
from lab import MIB, SystemTest


def flip(path, offset, count=1):
    with open(path, "r+b") as file:
        file.seek(offset)
        data = file.read(count)
        file.seek(offset)
        file.write(bytes(byte ^ 0xFF for byte in data))


def snapshot(pool):
    return {str(path): path.read_bytes() for path in sorted(pathlib.Path(pool).rglob("*"))
            if path.is_file() and path.stat().st_size < 16 * MIB}


class DamagedPool(SystemTest):
    """A pool that was stopped cleanly, then damaged."""

    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()
        self.pool = self.controller.pool
        image = self.lab.directory / "image"
        lab.fill_random(image, 4 * MIB, seed=5)
        self.image = image
        self.controller.import_volume("src", image)
        self.controller.create_volume("dst", "4M")
        self.controller.run("clone", "run", "src", "dst")
        self.controller.stop()

    def assert_start_refused(self, *words):
        code, line = self.controller.start_refused()
        self.assertEqual(code, 1, line)
        for word in words:
            self.assertIn(word, line)

    def test_garbled_pool_file(self):
        pool_file = self.pool / "pool.pb"
        for offset in range(pool_file.stat().st_size):
            with self.subTest(offset=offset):
                flip(pool_file, offset)
                before = snapshot(self.pool)
                self.assert_start_refused("pool.pb")
                self.assertEqual(snapshot(self.pool), before)
                flip(pool_file, offset)
        self.controller.start()

    def test_empty_and_cut_pool_file(self):
        whole = (self.pool / "pool.pb").read_bytes()
        for length in (0, 1, len(whole) // 2, len(whole) - 1):
            with self.subTest(length=length):
                (self.pool / "pool.pb").write_bytes(whole[:length])
                self.assert_start_refused("pool.pb")

    def test_newer_format(self):
        xxhash = ctypes.CDLL("libxxhash.so.0")
        xxhash.XXH3_64bits.restype = ctypes.c_uint64
        sealed = (self.pool / "pool.pb").read_bytes()
        # SealedBytes: field 1 is the payload; its first field, a varint, is the format version.
        self.assertEqual(sealed[0], 0x0A)
        payload = bytearray(sealed[2:2 + sealed[1]])
        self.assertEqual(payload[0], 0x08)
        payload[1] += 1
        digest = xxhash.XXH3_64bits(bytes(payload), ctypes.c_size_t(len(payload)))
        (self.pool / "pool.pb").write_bytes(
            sealed[:2] + bytes(payload) + b"\x11" + struct.pack("<Q", digest))
        before = snapshot(self.pool)
        self.assert_start_refused("format")
        self.assertEqual(snapshot(self.pool), before)

    def test_directory_that_is_no_pool(self):
        empty = self.lab.make_directory("empty")
        controller = self.lab.make_controller(pool=empty, node="b")
        code, line = controller.start_refused()
        self.assertEqual(code, 1)
        self.assertIn(str(empty), line)
        self.assertEqual(os.listdir(empty), [])

    def test_pool_that_is_not_there(self):
        controller = self.lab.make_controller(pool=self.lab.directory / "none", node="b")
        code, line = controller.start_refused()
        self.assertEqual(code, 1)
        self.assertIn("none", line)

    def test_missing_volume_file(self):
        (self.pool / "volumes" / "src").rename(self.lab.directory / "away")
        self.assert_start_refused("src")
        (self.lab.directory / "away").rename(self.pool / "volumes" / "src")
        self.controller.start()
        self.assert_same_content(self.controller.path("src"), self.image)

    def test_volume_file_of_another_size(self):
        os.truncate(self.pool / "volumes" / "src", 2 * MIB)
        self.assert_start_refused("src")

    def test_garbled_lease(self):
        for path in sorted((self.pool / "lease").iterdir()):
            if path.is_file() and path.stat().st_size:
                with self.subTest(path=path.name):
                    flip(path, 8)
                    self.assert_start_refused(path.name)
                    flip(path, 8)
        self.controller.start()

    def test_garbled_metadata(self):
        """A start on a damaged file changes nothing that counts: once it is whole, all is well."""
        self.flush_some_metadata_to_tables()
        for suffix in (".sst", ".log", "MANIFEST"):
            with self.subTest(suffix=suffix):
                path = next(path for path in self.newest_epoch().iterdir()
                            if path.name.startswith(suffix)
                            or (path.suffix == suffix and path.stat().st_size))
                original = path.read_bytes()
                flip(path, len(original) // 2)
                for _ in range(2):
                    self.assert_start_refused("epoch-")
                for copy in (self.pool / "meta").rglob(path.name):
                    copy.write_bytes(original)
                self.controller.start()
                self.assertEqual(self.controller.clone("dst")["state"], "completed")
                self.assertEqual(len(self.controller.json("volume", "list")["volumes"]), 2)
                self.controller.stop()

    def newest_epoch(self):
        return max((self.pool / "meta").glob("epoch-*[0-9]"),
                   key=lambda path: int(path.name.split("-")[1]))

    def flush_some_metadata_to_tables(self):
        """A start writes what it finds in the log into tables."""
        self.controller.start()
        self.controller.stop()

    def test_unknown_files_are_left_alone(self):
        (self.pool / "volumes" / "foreign").write_bytes(b"x" * 4096)
        self.controller.start()
        self.assertEqual(sorted(os.listdir(self.controller.mount)), ["dst", "src"])
        self.assertEqual((self.pool / "volumes" / "foreign").read_bytes(), b"x" * 4096)


class GarbledIntents(SystemTest):
    """The slots of a controller that was killed while hosts wrote to the source of a clone."""

    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()
        self.image = self.lab.directory / "image"
        lab.fill_random(self.image, 16 * MIB, seed=6)
        source = self.controller.import_volume("src", self.image)
        self.controller.create_volume("dst", "16M")
        self.clone = self.controller.start_clone("src", "dst", "--rate", "64K")
        with open(source, "r+b", buffering=0) as file:
            for number in range(64):
                os.pwrite(file.fileno(), b"new", number * 256 * 1024)
        self.controller.kill()
        self.intents = self.controller.pool / "intents"
        content = self.intents.read_bytes()
        self.used = [offset for offset in range(0, len(content), lab.BLOCK_BYTES)
                     if any(content[offset:offset + lab.BLOCK_BYTES])]
        self.assertTrue(self.used)

    def test_are_refused_by_name(self):
        flip(self.intents, self.used[0] + 70)
        code, line = self.controller.start_refused()
        self.assertEqual(code, 1)
        self.assertIn("intents", line)
        flip(self.intents, self.used[0] + 70)
        self.controller.start()
        self.controller.run("clone", "set", self.clone, "--rate", "1G")
        self.controller.wait_clone(self.clone)
        self.assert_same_content(self.controller.path("dst"), self.image)

    def test_that_are_missing_are_refused_by_name(self):
        for damage in (self.intents.unlink, lambda: self.intents.write_bytes(b"x" * 5000)):
            damage()
            code, line = self.controller.start_refused()
            self.assertEqual(code, 1)
            self.assertIn("intents", line)


class SecondController(SystemTest):
    def test_on_a_pool_in_use_is_refused(self):
        first = self.lab.start_controller(node="a")
        volume = first.create_volume("vol", "4M")
        for node in ("a", "b"):
            second = self.lab.make_controller(pool=first.pool, node=node,
                                              mount=self.lab.make_directory(f"other-{node}"))
            second.control = self.lab.directory / f"other-control-{node}"
            code, line = second.start_refused()
            self.assertEqual(code, 1)
            self.assertRegex(line, "in use|alive")
        with open(volume, "r+b") as file:
            file.write(b"still the owner")
        self.assertEqual(first.json("status")["role"], "owner")

    def test_on_a_control_socket_in_use_is_refused(self):
        first = self.lab.start_controller()
        second = self.lab.make_controller(pool=self.lab.make_pool("pool2"), node="b")
        second.control = first.control
        code, line = second.start_refused()
        self.assertEqual(code, 1)
        self.assertIn(str(first.control), line)
        self.assertEqual(first.json("status")["node"], "a")


class GarbledMessages(SystemTest):
    """Bytes on the control socket that no `baton` would send."""

    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()
        self.controller.create_volume("vol", "4M")

    def send(self, data):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.controller.control))
            connection.settimeout(0.2)
            try:
                connection.sendall(data)
                while connection.recv(4096):
                    pass
            except (TimeoutError, ConnectionError):
                pass

    def assert_serves(self):
        self.assertEqual(self.controller.json("status")["healthy"], True)
        self.assertEqual(len(self.controller.json("volume", "list")["volumes"]), 1)
        self.assertIsNone(self.controller.process.poll())

    def test_that_are_no_zeromq(self):
        for data in (b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(5000), b"\xff" * 100):
            self.send(data)
        self.assert_serves()

    def test_that_are_no_request(self):
        bodies = [b"", b"\xff" * 10, os.urandom(1000), b"\x0a\xff\xff\xff\xff\x0f"]
        send_zeromq(self.controller.control, [[body] for body in bodies])
        send_zeromq(self.controller.control, [[b"", b"two", b"frames"], [bytes(2000000)]])
        lab.wait_until(lambda: self.controller.json("status")["garbled_messages"] >= len(bodies),
                       timeout=10, what="a count of the garbled messages")
        self.assert_serves()


def send_zeromq(path, messages):
    """Sends messages, lists of frames, as a DEALER socket does."""
    dealer, send_more, linger = 5, 2, ctypes.c_int(1000)
    zmq = ctypes.CDLL("libzmq.so.5")
    for function in (zmq.zmq_ctx_new, zmq.zmq_socket):
        function.restype = ctypes.c_void_p
    context = ctypes.c_void_p(zmq.zmq_ctx_new())
    handle = ctypes.c_void_p(zmq.zmq_socket(context, dealer))
    zmq.zmq_setsockopt(handle, 17, ctypes.byref(linger), ctypes.c_size_t(4))
    assert zmq.zmq_connect(handle, f"ipc://{path}".encode()) == 0
    for frames in messages:
        for number, frame in enumerate(frames, start=1):
            flags = send_more if number < len(frames) else 0
            assert zmq.zmq_send(handle, frame, ctypes.c_size_t(len(frame)), flags) == len(frame)
    zmq.zmq_close(handle)
    zmq.zmq_ctx_term(context)


if __name__ == "__main__":
    lab.main()
