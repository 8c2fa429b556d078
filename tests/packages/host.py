"""A host of tests on machines with systemd: writes blocks to FILE, reads each back, and says in REPORT how
often, and how long it had to wait at most. It ends with an error when anything fails, and makes
REPORT.done when it was told to end and nothing has.

   host.py FILE REPORT [HISTORY [FIRST]]   in HISTORY: which write was begun and acknowledged, and when
   host.py --show FILE                     which write each block holds
"""

import mmap
import os
import signal
import sys
import time

BLOCK = 4096
BLOCKS = 256


def content(count):
    """Of a block: which write it was."""
    return (b"%020d" % count) * (BLOCK // 20) + b"." * (BLOCK % 20)


def main(path, report, history=None, first="0"):
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    file = os.open(path, os.O_RDWR | os.O_DIRECT)
    log = open(history, "wb", buffering=0) if history else None
    block = mmap.mmap(-1, BLOCK)
    count, longest = int(first), 0.0
    while not ended:
        began = time.monotonic()
        wanted = content(count)
        block[:] = wanted
        place = count % BLOCKS * BLOCK
        note(log, "begun", count)
        if os.pwrite(file, block, place) != BLOCK:
            raise OSError("less than a block")
        note(log, "done", count)
        if os.preadv(file, [block], place) != BLOCK:
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


def note(log, what, count):
    """Two clocks: one that nobody sets, one that other machines have, too."""
    if log:
        log.write(f"{what} {count} {time.monotonic():.3f} {time.time():.3f}\n".encode())


def show(path):
    with open(path, "rb", buffering=0) as file:
        for _ in range(BLOCKS):
            block = file.read(BLOCK)
            number = block[:20]
            if number.isdigit() and content(int(number)) == block:
                print(int(number))
            else:
                print("never" if not any(block) else "torn")


if __name__ == "__main__":
    if sys.argv[1] == "--show":
        show(sys.argv[2])
    else:
        main(*sys.argv[1:])
