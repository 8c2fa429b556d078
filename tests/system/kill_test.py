#!/usr/bin/python3
"""kill -9 for real: hosts write, clones run, and the controller is killed again and again.

    kill_test.py [--kills N] [--seed N]

The controller alone is killed: its keeper starts another one, and no host sees an error. Or the
whole batond is killed, keeper and controller: hosts see errors, and go on after the next start.

After every kill: each acknowledged write is there, and the recorded progress of the clone has not
gone back. After every clone: the target is the image of one instant, byte for byte, and no more
extents were copied twice than were in flight at the kills.
"""

import argparse
import os
import random
import shutil
import sys
import time

import lab
from lab import BLOCK_BYTES, EXTENTS_IN_FLIGHT, MIB, SystemTest
from writers import Writer

VOLUME_BYTES = 128 * MIB
EXTENTS = VOLUME_BYTES // lab.EXTENT_BYTES
WRITER_BYTES = 24 * MIB
WRITERS = 4
FIO_OFFSET = WRITERS * WRITER_BYTES  # fio has the rest
KILLS_A_CLONE = 5  # about; each clone begins with another instant

options = argparse.Namespace(kills=50, seed=1)


class Kills:
    """What both kinds of kills have in common."""

    share = 1.0  # of options.kills

    def setUp(self):
        super().setUp()
        self.random = random.Random(options.seed)
        self.controller = self.lab.start_controller()
        image = self.lab.directory / "image"
        with open(image, "wb") as file:
            file.truncate(VOLUME_BYTES)
        self.source = self.controller.import_volume("src", image)
        self.writers = [Writer(self.source, number, number * WRITER_BYTES // BLOCK_BYTES,
                               WRITER_BYTES // BLOCK_BYTES, pause_seconds=0.004)
                        for number in range(WRITERS)]
        for writer in self.writers:
            self.lab.on_close(writer.stop)
        self.kills = 0
        self.wanted_kills = round(options.kills * self.share)
        self.copied_again = 0

    def test_loses_nothing_and_repeats_little(self):
        self.prefill()
        started = time.monotonic()
        clones = 0
        while self.kills < self.wanted_kills:
            clones += 1
            self.run_one_clone(f"dst{clones}", quiesced=clones % 2 == 1)
        self.assertGreater(clones, self.wanted_kills // (3 * KILLS_A_CLONE))
        errors = sum(writer.errors for writer in self.writers)
        print(f"\n{self.kills} kills and {clones} clones in {time.monotonic() - started:.0f} s; "
              f"{sum(writer.acknowledged for writer in self.writers)} writes acknowledged, "
              f"{errors} errors; {self.copied_again} more copies than extents",
              file=sys.stderr)
        self.check_errors(errors)

    def prefill(self):
        """Every block is somebody's from the start, so that no extent is a hole."""
        self.fio("--rw=write", "--bs=1M", "--do_verify=0", size=VOLUME_BYTES - FIO_OFFSET)
        with open(self.source, "r+b", buffering=0) as file:
            for offset in range(0, FIO_OFFSET, MIB):  # to Writer.read_numbers(): no write yet
                os.pwrite(file.fileno(), bytes(MIB), offset)

    def fio(self, *arguments, size):
        """fio writes and verifies its range of the source; any mismatch fails the test."""
        lab.run("fio", "--name=host", f"--filename={self.source}", f"--offset={FIO_OFFSET}",
                f"--size={size}", "--direct=1", "--ioengine=libaio", "--iodepth=8",
                "--verify=crc32c", "--verify_fatal=1", "--output-format=terse", *arguments,
                cwd=self.lab.directory)

    def run_one_clone(self, target, quiesced):
        self.controller.create_volume(target, VOLUME_BYTES)
        # So slow that about KILLS_A_CLONE kills happen while it copies; host writes preserve, too.
        clone = self.controller.create_clone("src", target, "--rate", "24M")
        self.controller.run("clone", "activate", clone)
        for writer in self.writers:
            writer.resume()
        time.sleep(0.1)
        image, cuts = self.start_clone(clone, quiesced)
        kills = self.kill_until_done(clone)
        self.check_clone(clone, target, image, cuts, kills)
        self.controller.run("clone", "delete", clone)
        self.controller.run("volume", "delete", target)

    def start_clone(self, clone, quiesced):
        """Starts it at a known instant, or in the middle of the writes."""
        image = None
        if quiesced:
            for writer in self.writers:
                writer.pause()
            image = self.lab.directory / "t0"
            shutil.copyfile(self.source, image)
        first_cuts = [writer.acknowledged for writer in self.writers]
        self.controller.run("clone", "start", clone)
        last_cuts = [writer.issued() for writer in self.writers]
        for writer in self.writers:
            writer.resume()
        return image, list(zip(first_cuts, last_cuts))

    def kill_until_done(self, clone):
        """Kills at random moments until the clone is complete or the kills are used up."""
        kills = 0
        copied = 0
        while self.kills < self.wanted_kills:
            copied = self.watch_progress(clone, copied, self.random.uniform(0.05, 1.2))
            if self.controller.clone(clone)["state"] == "completed":
                return kills
            self.kill()
            self.kills += 1
            kills += 1
            copied = self.watch_progress(clone, copied, 0)
            self.check_writers()
            if self.random.random() < 0.3:
                self.fio("--rw=randwrite", "--bsrange=4k-64k", f"--randseed={self.kills}",
                         size=4 * MIB)
            for writer in self.writers:
                writer.resume()
        return kills

    def watch_progress(self, clone, copied, seconds):
        """Recorded progress never goes back, over kills neither. Returns the newest."""
        end = time.monotonic() + seconds
        while True:
            status = self.controller.clone(clone)
            self.assertGreaterEqual(status["extents_copied"], copied, status)
            copied = status["extents_copied"]
            if time.monotonic() >= end or status["state"] == "completed":
                return copied
            time.sleep(0.02)

    def check_writers(self):
        for writer in self.writers:
            writer.pause()
            writer.check_present(self.source)

    def check_clone(self, clone, target, image, cuts, kills):
        self.controller.run("clone", "set", clone, "--rate", "10G")
        status = self.controller.wait_clone(clone)
        self.check_writers()
        path = self.controller.path(target)
        if image is not None:
            self.assert_same_content(path, image)
        for writer, (first_cut, last_cut) in zip(self.writers, cuts):
            writer.check_instant(path, first_cut, last_cut)
        self.assertEqual(status["extents_total"], EXTENTS)
        self.assertEqual(status["extents_copied"], EXTENTS)
        again = status["copies_total"] - EXTENTS
        self.copied_again += again
        self.assertGreaterEqual(again, 0)
        self.assertLessEqual(again, kills * EXTENTS_IN_FLIGHT)
        self.controller.run("clone", "verify", clone)


class KillController(Kills, SystemTest):
    """Nobody notices."""

    def kill(self):
        self.controller.wait_restarted(self.controller.kill_controller())
        self.assertEqual([writer.errors for writer in self.writers], [0] * WRITERS)

    def check_errors(self, errors):
        self.assertEqual(errors, 0)


class KillBoth(Kills, SystemTest):
    """Keeper and controller die together: the mount ends, and nothing else."""

    share = 0.3

    def kill(self):
        self.controller.kill()
        for writer in self.writers:
            writer.pause()
        self.controller.start()

    def check_errors(self, errors):
        self.assertGreater(errors, self.kills // 2, "the kills did not hit the writers")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options, rest = parser.parse_known_args()
    print(f"seed {options.seed}", file=sys.stderr)
    sys.argv[1:] = rest
    lab.main()
