"""Host writers that know what was acknowledged, and check what of it is there.

A writer has a range of a volume of its own. Its writes are numbered; each covers one 4 KiB block
with its number, the writer's and a pattern of the two, and is begun after the one before was
acknowledged. So a block tells by itself which write it holds, and an image of the volume at one
instant holds exactly the first N writes of every writer.
"""

import errno
import os
import random
import struct
import threading
import time

from lab import BLOCK_BYTES

_HEADER = struct.Struct("<8sIIQ")
_MAGIC = b"BATONTST"
_READ_BLOCKS = 256
_ZEROS = bytes(BLOCK_BYTES)
# What a write or an open answers when the controller has died.
GONE = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.ENOENT, errno.ENODEV)


def make_block(writer, number, block):
    head = _HEADER.pack(_MAGIC, writer, block, number)
    seed = f"{writer}/{number}/{block}".encode()
    return head + (seed + b"|") * ((BLOCK_BYTES - len(head)) // (len(seed) + 1)) + bytes(
        (BLOCK_BYTES - len(head)) % (len(seed) + 1))


class Damage(AssertionError):
    """A volume does not hold what it must."""


class Writer:
    """Writes blocks [first, first + count) of `path` from a thread of its own, until stopped.

    An error of a write means that the write was not acknowledged: it may be there or not. The
    thread then waits until resume() says that there is a controller again.
    """

    def __init__(self, path, writer, first, count, pause_seconds=0.0):
        self.path = path
        self.writer = writer
        self.first = first
        self.count = count
        self.pause_seconds = pause_seconds
        self.random = random.Random(writer)
        self.history = []  # block of each write, by number - 1
        self.acknowledged = 0  # writes 1 to this one were
        self.unknown = set()  # numbers of the writes that got an error
        self.errors = 0
        self._run = threading.Event()
        self._idle = threading.Event()
        self._end = False
        self._thread = threading.Thread(target=self._main, daemon=True)
        self.failure = None
        self._thread.start()

    # ---- control ----

    def resume(self):
        self._idle.clear()
        self._run.set()

    def pause(self, timeout=60):
        """Returns when no write is in flight; none is begun until resume()."""
        self._run.clear()
        if not self._idle.wait(timeout):
            raise Damage(f"writer {self.writer}: a write hangs")
        if self.failure:
            raise self.failure

    def stop(self):
        self.pause()
        self._end = True
        self._run.set()
        self._thread.join(60)

    # ---- the thread ----

    def _main(self):
        while True:
            if not self._run.is_set():
                self._idle.set()
                self._run.wait()
            if self._end:
                return
            try:
                self._write_while_there_is_a_controller()
            except OSError as error:
                self.errors += 1
                if error.errno not in GONE:
                    self.failure = error
                self._run.clear()

    def _write_while_there_is_a_controller(self):
        fd = os.open(self.path, os.O_RDWR)
        try:
            while self._run.is_set():
                self._write_one(fd)
                if self.pause_seconds:
                    time.sleep(self.pause_seconds)
        finally:
            os.close(fd)

    def _write_one(self, fd):
        number = len(self.history) + 1
        block = self.first + self.random.randrange(self.count)
        data = make_block(self.writer, number, block)
        self.history.append(block)
        try:
            os.pwrite(fd, data, block * BLOCK_BYTES)
            if number % 64 == 0:
                os.fdatasync(fd)
        except OSError:
            self.unknown.add(number)
            raise
        self.acknowledged = number

    # ---- checks ----

    def issued(self):
        return len(self.history)

    def read_numbers(self, path):
        """The number of the write that each block holds; 0: none yet. Damage: anything else."""
        numbers = []
        with open(path, "rb", buffering=0) as file:
            for block in range(self.first, self.first + self.count, _READ_BLOCKS):
                data = os.pread(file.fileno(), _READ_BLOCKS * BLOCK_BYTES, block * BLOCK_BYTES)
                for index in range(min(_READ_BLOCKS, self.first + self.count - block)):
                    one = data[index * BLOCK_BYTES:(index + 1) * BLOCK_BYTES]
                    numbers.append(self._number_of(one, block + index, path))
        return numbers

    def _number_of(self, data, block, path):
        if data == _ZEROS:
            return 0
        magic, writer, written_to, number = _HEADER.unpack_from(data)
        if (magic, writer, written_to) != (_MAGIC, self.writer, block) or data != make_block(
                writer, number, block):
            raise Damage(f"{path}: block {block} is torn, foreign or of another place")
        return number

    def check_present(self, path):
        """Every acknowledged write is in `path`, or a later one to the same block."""
        newest = self._newest(len(self.history))
        found = self.read_numbers(path)
        for block, expected in newest.items():
            held = found[block - self.first]
            if held not in expected:
                raise Damage(f"{path}: block {block} holds write {held} of writer {self.writer}, "
                             f"not {sorted(expected)}")

    def _newest(self, last):
        """By block, the writes up to `last` that it may hold: the newest acknowledged one, or one
        with an unknown end after that."""
        allowed = {block: {0} for block in range(self.first, self.first + self.count)}
        for number, block in enumerate(self.history[:last], start=1):
            if number in self.unknown:
                allowed[block].add(number)
            else:
                allowed[block] = {number}
        return allowed

    def check_instant(self, path, first_cut, last_cut):
        """`path` holds exactly the first N writes, for one N of [first_cut, last_cut]."""
        found = self.read_numbers(path)
        cut = max([first_cut, *found])
        if cut > last_cut:
            raise Damage(f"{path}: holds write {cut} of writer {self.writer}, which was begun "
                         f"after the start (last write before: {last_cut})")
        allowed = self._newest(cut)
        for block, expected in allowed.items():
            held = found[block - self.first]
            if held not in expected:
                raise Damage(f"{path}: is of no one instant: block {block} holds write {held} of "
                             f"writer {self.writer}, but write {cut} is there, so it must be "
                             f"{sorted(expected)}")
