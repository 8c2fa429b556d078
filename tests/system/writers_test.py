#!/usr/bin/python3
"""The writers of the kill test notice what they are there to notice. On a plain file."""

import shutil

import lab
from lab import BLOCK_BYTES, SystemTest
from writers import Damage, Writer, make_block

BLOCKS = 64


class WritersTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.path = self.lab.directory / "volume"
        self.path.write_bytes(bytes(BLOCKS * BLOCK_BYTES))
        self.image = self.lab.directory / "image"
        self.writer = Writer(self.path, 3, 0, BLOCKS)
        self.lab.on_close(self.writer.stop)
        self.write_some()

    def write_some(self):
        before = self.writer.acknowledged
        self.writer.resume()
        lab.wait_until(lambda: self.writer.acknowledged > before + 200, what="some writes")
        self.writer.pause()

    def take_image(self):
        shutil.copyfile(self.path, self.image)
        return self.writer.acknowledged

    def put(self, path, block, data):
        with open(path, "r+b") as file:
            file.seek(block * BLOCK_BYTES)
            file.write(data)

    def get(self, path, block):
        with open(path, "rb") as file:
            file.seek(block * BLOCK_BYTES)
            return file.read(BLOCK_BYTES)

    def assert_not_of_one_instant(self, first, last):
        with self.assertRaises(Damage):
            self.writer.check_instant(self.image, first, last)

    def test_accept_what_is_right(self):
        cut = self.take_image()
        self.write_some()
        self.writer.check_present(self.path)
        self.writer.check_instant(self.image, cut, cut)
        self.writer.check_instant(self.image, cut - 50, cut + 50)

    def test_notice_a_lost_write(self):
        block = self.writer.history[-1]
        self.put(self.path, block, bytes(BLOCK_BYTES))
        with self.assertRaises(Damage):
            self.writer.check_present(self.path)

    def test_accept_a_write_of_unknown_end_either_way(self):
        number = self.writer.acknowledged + 1
        before = self.get(self.path, 5)
        self.writer.history.append(5)
        self.writer.unknown.add(number)
        self.writer.check_present(self.path)
        self.put(self.path, 5, make_block(3, number, 5))
        self.writer.check_present(self.path)
        self.assertNotEqual(self.get(self.path, 5), before)

    def test_notice_a_torn_block(self):
        block = self.writer.history[-1]
        self.put(self.path, block, self.get(self.path, block)[:2048] + bytes(2048))
        with self.assertRaises(Damage):
            self.writer.check_present(self.path)

    def test_notice_a_block_of_another_place(self):
        block = self.writer.history[-1]
        self.put(self.path, (block + 1) % BLOCKS, self.get(self.path, block))
        with self.assertRaises(Damage):
            self.writer.check_present(self.path)

    def test_notice_a_later_write_in_an_image(self):
        cut = self.take_image()
        self.write_some()
        block = self.writer.history[-1]
        self.put(self.image, block, self.get(self.path, block))
        self.assert_not_of_one_instant(cut, cut)
        self.assert_not_of_one_instant(cut, self.writer.issued())

    def test_notice_an_image_that_is_too_old_or_too_new(self):
        cut = self.take_image()
        self.assert_not_of_one_instant(0, cut - 1)
        self.write_some()
        self.assert_not_of_one_instant(self.writer.acknowledged, self.writer.issued())


if __name__ == "__main__":
    lab.main()
