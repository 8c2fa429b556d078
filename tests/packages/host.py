"""A host of the test of the packages: writes blocks to FILE, reads each back, and says in REPORT how
often, and how long it had to wait at most. It ends with an error when anything fails, and makes
REPORT.done when it was told to end and nothing has."""

import mmap
import os
import signal
import sys
import time

BLOCK = 4096
BLOCKS = 256


def main(path, report):
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    file = os.open(path, os.O_RDWR | os.O_DIRECT)
    block = mmap.mmap(-1, BLOCK)
    count, longest = 0, 0.0
    while not ended:
        began = time.monotonic()
        wanted = (b"%020d" % count) * (BLOCK // 20) + b"." * (BLOCK % 20)
        block[:] = wanted
        place = count % BLOCKS * BLOCK
        if os.pwrite(file, block, place) != BLOCK or os.preadv(file, [block], place) != BLOCK:
            raise OSError("less than a block")
        if block[:] != wanted:
            raise OSError(f"block {place // BLOCK} has something else than was written")
        count += 1
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.005)
        with open(report + ".new", "w") as out:
            out.write(f"{count} {longest:.3f}\n")
        os.rename(report + ".new", report)
    os.fsync(file)
    open(report + ".done", "w").close()


main(*sys.argv[1:])
