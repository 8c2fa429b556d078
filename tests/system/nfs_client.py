#!/usr/bin/python3
"""A host on NFSv4 without a kernel's client, by libnfs: nfs_client.py SERVER EXPORT FILE SECONDS

It writes blocks that hold their number, flushes now and then, and reads back what it has written. It
ends with what it has done, or with status 1 at the first error or wrong byte.
"""

import ctypes
import ctypes.util
import os
import random
import sys
import time

BLOCK = 512  # libnfs 4.0 cannot send longer writes by NFSv4
BLOCKS = 4096
LONG = ctypes.c_uint64

libnfs = ctypes.CDLL(ctypes.util.find_library("nfs"))
libnfs.nfs_init_context.restype = ctypes.c_void_p
libnfs.nfs_get_error.restype = ctypes.c_char_p


class Client:
    def __init__(self, server, export):
        self.context = ctypes.c_void_p(libnfs.nfs_init_context())
        self.check(libnfs.nfs_set_version(self.context, 4))
        self.check(libnfs.nfs_mount(self.context, server.encode(), export.encode()))

    def check(self, result):
        if result < 0:
            sys.exit(f"nfs_client: {libnfs.nfs_get_error(self.context).decode()}")
        return result

    def open(self, path):
        self.file = ctypes.c_void_p()
        self.check(libnfs.nfs_open(self.context, path.encode(), os.O_RDWR, ctypes.byref(self.file)))

    def write(self, offset, data):
        done = self.check(libnfs.nfs_pwrite(self.context, self.file, LONG(offset), LONG(len(data)), data))
        assert done == len(data), done

    def read(self, offset, length):
        buffer = ctypes.create_string_buffer(length)
        done = self.check(libnfs.nfs_pread(self.context, self.file, LONG(offset), LONG(length), buffer))
        return buffer.raw[:done]

    def flush(self):
        self.check(libnfs.nfs_fsync(self.context, self.file))


def block(number):
    return number.to_bytes(8, "little") * (BLOCK // 8)


def main(server, export, path, seconds):
    client = Client(server, export)
    client.open(path)
    newest, number, longest = {}, 0, 0.0
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        began = time.monotonic()
        number += 1
        place = random.randrange(BLOCKS)
        client.write(place * BLOCK, block(number))
        newest[place] = number
        if number % 16 == 0:
            client.flush()
        place = random.choice(list(newest))
        if client.read(place * BLOCK, BLOCK) != block(newest[place]):
            sys.exit(f"nfs_client: block {place} is not what was written last")
        longest = max(longest, time.monotonic() - began)
    client.flush()
    for place, written in newest.items():
        if client.read(place * BLOCK, BLOCK) != block(written):
            sys.exit(f"nfs_client: block {place} is not what was written last")
    print(f"{number} writes, the longest wait {longest:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
