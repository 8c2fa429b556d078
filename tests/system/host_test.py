#!/usr/bin/python3
"""The verifying host notices what it is there to notice. On a plain file."""

import os
import shutil

import lab
from history import Damage, History, Host
from lab import BLOCK_BYTES, MIB, SystemTest

WRITERS = 4


class VerifyingHost(SystemTest):
    def setUp(self):
        super().setUp()
        self.path = self.lab.directory / "volume"
        with open(self.path, "wb") as file:
            file.truncate(MIB)
        self.image = self.lab.directory / "image"
        self.history = History(self.lab, "volume", MIB, WRITERS, seed=3)
        self.host = Host(self.lab.start, self.path, self.history, 0, WRITERS, pause_us=300)

    def write_some(self):
        seen = self.host.look()["writes"]
        lab.wait_until(lambda: self.host.look()["writes"] > seen + 400, what="some writes")

    def take_image(self):
        """While nothing is under way. Returns the history of that instant."""
        self.host.pause()
        shutil.copyfile(self.path, self.image)
        snapshot = self.history.snapshot()
        self.host.resume()
        return snapshot

    def written_block(self, path):
        """The index of a block that holds a write."""
        data = path.read_bytes()
        return next(index for index in range(len(data) // BLOCK_BYTES)
                    if any(data[index * BLOCK_BYTES:(index + 1) * BLOCK_BYTES]))

    def put(self, path, block, data):
        with open(path, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), data, block * BLOCK_BYTES)

    def assert_lost(self):
        with self.assertRaises(Damage):
            self.history.check_present(self.path)

    def test_accepts_what_is_right(self):
        self.write_some()
        before = self.history.snapshot()
        snapshot = self.take_image()
        after = self.history.snapshot()
        self.write_some()
        self.history.check_instant(self.image, snapshot, snapshot)
        self.history.check_instant(self.image, before, after)
        saw = self.host.stop()
        self.assertGreater(saw["reads"], 0)
        self.history.check_present(self.path)

    def test_goes_on_after_it_was_killed(self):
        self.write_some()
        self.host.stop()
        for _ in range(3):
            host = Host(self.lab.start, self.path, self.history, 0, WRITERS, pause_us=300)
            lab.wait_until(lambda: host.look()["writes"] > 100, what="some writes")
            host.kill()
            self.history.check_present(self.path)

    def test_notices_a_lost_write_and_a_torn_one(self):
        self.write_some()
        self.host.stop()
        block = self.written_block(self.path)
        content = self.path.read_bytes()[block * BLOCK_BYTES:(block + 1) * BLOCK_BYTES]
        self.put(self.path, block, content[:512] + bytes(1024) + content[1536:])
        self.assert_lost()
        self.put(self.path, block + 1, content)
        self.put(self.path, block, content)
        self.assert_lost()

    def test_notices_old_content_in_its_reads(self):
        self.write_some()
        self.take_image()
        self.write_some()
        self.host.pause()
        shutil.copyfile(self.image, self.path)
        self.host.resume()
        with self.assertRaises(Damage):
            lab.wait_until(lambda: self.host.look()["damaged"], what="damage")
            self.host.stop()

    def test_notices_an_image_of_another_instant(self):
        self.write_some()
        old = self.take_image()
        self.write_some()
        new = self.take_image()
        self.write_some()
        for other in (old, self.history.snapshot()):
            with self.assertRaises(Damage):
                self.history.check_instant(self.image, other, other)
        self.history.check_instant(self.image, new, new)

    def test_notices_an_image_of_two_instants(self):
        """Each block for itself may be of the time between the two, but not all together."""
        self.write_some()
        old = self.take_image()
        early = self.image.read_bytes()
        self.write_some()
        new = self.take_image()
        late = self.image.read_bytes()
        half = len(early) // 2
        self.image.write_bytes(late[:half] + early[half:])
        with self.assertRaises(Damage):
            self.history.check_instant(self.image, old, new)


if __name__ == "__main__":
    lab.main()
