#!/usr/bin/python3
"""Volumes that are taken out of the pool, become larger, or get another name."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import lab
from lab import MIB, SystemTest
from pair import LocalPair

SIZE = 16 * MIB


class Single(SystemTest):
    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()
        self.image = self.lab.directory / "image"
        lab.fill_random(self.image, SIZE, seed=4, holes=0.6)
        self.volume = self.controller.import_volume("disk", self.image)
        self.out = self.lab.directory / "out"

    def export(self, *arguments):
        return self.controller.run("volume", "export", *arguments)


class Export(Single):
    def test_of_an_image_is_the_image_with_its_holes(self):
        result = self.export("disk", self.out)
        self.assertRegex(result.stdout, r"^volume disk exported: 16 MiB to \S+ \(raw\), in ")
        self.assert_same_content(self.out, self.image)
        self.assertEqual(self.out.stat().st_size, SIZE)
        self.assertLessEqual(self.out.stat().st_blocks, self.image.stat().st_blocks + 8 * 64)
        self.assertEqual(self.out.stat().st_mode & 0o777, 0o600)
        self.assertEqual([path.name for path in self.lab.directory.glob("out*")], ["out"])

    def test_as_qcow2_has_the_same_disk_and_comes_back_the_same(self):
        image = self.lab.directory / "out.qcow2"
        self.export("disk", image)
        info = json.loads(lab.run("qemu-img", "info", "--output=json", image).stdout)
        self.assertEqual((info["format"], info["virtual-size"]), ("qcow2", SIZE))
        self.assertLess(image.stat().st_size, SIZE * 3 // 4)
        lab.run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", image, self.image)
        self.export("disk", self.out, "--format", "qcow2")
        lab.run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", self.out, self.image)
        self.assert_same_content(self.controller.import_volume("again", image), self.image)

    def test_to_standard_output_is_every_byte(self):
        command = [lab.BUILD / "baton", "--control", self.controller.control, "volume", "export", "disk", "-"]
        with open(self.out, "wb") as out:
            subprocess.run(command, stdout=out, stdin=subprocess.DEVNULL, check=True, timeout=60)
        self.assert_same_content(self.out, self.image)

    def test_of_a_clone_that_is_copying_is_the_source_at_t0(self):
        self.controller.create_volume("copy", SIZE)
        clone = self.controller.start_clone("disk", "copy", "--rate", "64K")
        with open(self.volume, "r+b") as file:
            file.write(os.urandom(MIB))
            self.controller.refused("volume", "export", "disk", self.out)
            self.export("copy", self.out)
        self.assert_same_content(self.out, self.image)
        self.assertEqual(self.controller.clone(clone)["state"], "copying")

    def test_of_an_open_volume_is_refused_or_taken_on_word(self):
        with open(self.volume, "rb"):
            line = self.controller.refused("volume", "export", "disk", self.out)
            self.assertIn("baton clone run disk COPY", line)
            self.assertFalse(self.out.exists())
            self.export("disk", self.out, "--live")
        self.assert_same_content(self.out, self.image)

    def test_of_what_is_written_meanwhile_fails_and_leaves_no_file(self):
        big = self.controller.create_volume("big", 512 * MIB, "--thick")
        with open(big, "r+b") as file:
            for offset in range(0, 512 * MIB, MIB):
                file.seek(offset)
                file.write(b"x" * MIB)
        time.sleep(0.5)
        export = subprocess.Popen([lab.BUILD / "baton", "--control", self.controller.control, "volume", "export",
                                   "big", self.out], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        lab.wait_until(lambda: list(self.lab.directory.glob("out.*")), every=0.001, what="a file")
        with open(big, "r+b") as file:
            file.write(b"y" * 4096)
        _, errors = export.communicate(timeout=60)
        self.assertEqual(export.returncode, lab.REFUSED, errors)
        self.assertIn("was changed while it was read", errors)
        self.assertEqual(list(self.lab.directory.glob("out*")), [])

    def test_that_is_interrupted_leaves_no_file(self):
        export = subprocess.Popen([lab.BUILD / "baton", "--control", self.controller.control, "volume", "export",
                                   "disk", "-"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        export.stdout.read(1)  # the pipe is full soon
        export.send_signal(signal.SIGINT)
        _, errors = export.communicate(timeout=60)
        self.assertEqual(export.returncode, lab.REFUSED, errors)
        self.assertIn(b"interrupted", errors)

    def test_replaces_a_file_only_when_told(self):
        self.out.write_text("precious")
        line = self.controller.refused("volume", "export", "disk", self.out)
        self.assertIn("--force", line)
        self.assertEqual(self.out.read_text(), "precious")
        self.export("disk", self.out, "--force")
        self.assert_same_content(self.out, self.image)

    def test_refusals_say_what_to_do(self):
        for arguments, word in ((("disk", self.lab.directory), "regular file"),
                                (("disk", self.lab.directory / "none" / "x"), "No such file"),
                                (("disk", "/dev/null", "--force"), "regular file"),
                                (("disk", self.lab.directory / "x.vmdk"), "qemu-img convert"),
                                (("disk", "-", "--format", "qcow2"), "standard output"),
                                (("--json", "disk", "-"), "--json"),
                                (("none", self.out), "none")):
            with self.subTest(arguments=arguments):
                self.assertIn(word, self.controller.refused("volume", "export", *arguments))
        self.assertFalse(self.out.exists())

    def test_says_which_package_it_needs(self):
        for command in (("volume", "export", "disk", self.lab.directory / "x.qcow2"),
                        ("volume", "import", "new", self._qcow2())):
            result = lab.run(lab.BUILD / "baton", "--control", self.controller.control, *command, check=False,
                             env={"PATH": "/none"})
            self.assertEqual(result.returncode, lab.REFUSED)
            self.assertIn("install the package qemu-utils", result.stderr)

    def _qcow2(self):
        path = self.lab.directory / "small.qcow2"
        lab.run("qemu-img", "create", "-q", "-f", "qcow2", path, "4M")
        return path

    def test_and_import_show_how_far_they_are_on_a_terminal(self):
        baton = f"{lab.BUILD}/baton --control {self.controller.control}"
        qcow2 = self.lab.directory / "x.qcow2"
        for command in (f"volume export disk {self.out}", f"volume export disk {qcow2}", f"volume import new {qcow2}"):
            shown = lab.run("script", "--quiet", "--return", "--command", f"{baton} {command}", "/dev/null",
                            env=dict(os.environ, TERM="xterm")).stdout
            self.assertRegex(shown, r"\[[#.]+\] +\d+ %  \S+ \S+ of 16 MiB")


class Resize(Single):
    def test_grows_under_a_loop_device_with_a_file_system_in_use(self):
        for kind, check in (("xfs", ("xfs_repair", "-n")), ("ext4", ("e2fsck", "-fn"))):
            with self.subTest(kind=kind):
                self._grow(kind, check)

    def _grow(self, kind, check):
        path = self.controller.create_volume(kind, 320 * MIB)
        lab.run(f"mkfs.{kind}", "-q", path)
        device = self.lab.attach_loop(path, "--direct-io=on")
        mounted = self.lab.mount_file_system(device, f"mounted-{kind}")
        (mounted / "file").write_bytes(b"kept" * 1000)
        before = shutil.disk_usage(mounted).total
        result = self.controller.run("volume", "resize", kind, "512M")
        self.assertEqual(result.stdout.strip(), f"volume {kind} resized: 512 MiB at {path}")
        lab.run("losetup", "--set-capacity", device)
        self.assertEqual(int(lab.run("blockdev", "--getsize64", device).stdout), 512 * MIB)
        if kind == "xfs":
            lab.run("xfs_growfs", mounted)
        elif self._may_resize_ext4():
            lab.run("resize2fs", device)
        else:
            print("no CAP_SYS_RESOURCE: ext4 is resized while it is not mounted", file=sys.stderr)
            lab.unmount(mounted)
            lab.run("e2fsck", "-fp", device)
            lab.run("resize2fs", device)
            self.lab.mount_file_system(device, f"mounted-{kind}")
        self.assertGreater(shutil.disk_usage(mounted).total, before + 150 * MIB)
        (mounted / "large").write_bytes(os.urandom(64 * MIB))
        self.assertEqual((mounted / "file").read_bytes(), b"kept" * 1000)
        lab.unmount(mounted)
        lab.run(*check, device)

    @staticmethod
    def _may_resize_ext4():
        status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.search(r"CapEff:\s+(\w+)", status)[1], 16) >> 24 & 1

    def test_is_there_after_a_kill_and_a_restart(self):
        shown = self.controller.json("volume", "resize", "disk", "24M")
        self.assertEqual(shown["size_bytes"], 24 * MIB)
        self.controller.kill()
        self.controller.start()
        self.assertEqual(self.volume.stat().st_size, 24 * MIB)
        with open(self.image, "r+b") as image:
            image.truncate(24 * MIB)
        self.assert_same_content(self.volume, self.image)
        self.assertEqual((self.controller.pool / "volumes" / "disk").stat().st_size, 24 * MIB)

    def test_is_an_event_with_who_asked(self):
        self.controller.run("volume", "resize", "disk", "24M")
        self.controller.run("volume", "rename", "disk", "other")
        text = self.controller.run("events").stdout
        self.assertIn("volume-resized  volume disk was resized from 16 MiB to 24 MiB", text)
        self.assertIn("volume-renamed  volume disk was renamed to other", text)
        self.assertIn("volume resize disk 24 MiB was asked for by user 0", text)
        self.assertIn("volume rename disk other was asked for by user 0", text)


class Rename(Single):
    def test_is_seen_in_the_mount_and_survives_a_kill(self):
        number = self.volume.stat().st_ino
        self.controller.run("volume", "rename", "disk", "other")
        self.assertEqual(os.listdir(self.controller.mount), ["other"])
        with self.assertRaises(FileNotFoundError):
            self.volume.stat()
        self.controller.kill()
        self.controller.start()
        self.assertEqual(self.controller.path("other").stat().st_ino, number)
        self.assert_same_content(self.controller.path("other"), self.image)


class OfAPair(SystemTest):
    def setUp(self):
        super().setUp()
        self.pair = LocalPair(self.lab)
        self.pair.start()
        self.owner, self.standby = self.pair.owner(), self.pair.standby()
        self.owner.create_volume("disk", 4 * MIB)

    def test_both_mounts_see_the_new_size_at_once(self):
        with open(self.standby.path("disk"), "r+b", buffering=0) as there, \
                open(self.owner.path("disk"), "r+b", buffering=0) as here:
            there.write(b"first")
            self.standby.run("volume", "resize", "disk", "8M")
            for file in (here, there):
                self.assertEqual(os.fstat(file.fileno()).st_size, 8 * MIB)
            there.seek(6 * MIB)
            self.assertEqual(there.write(b"beyond"), 6)
            here.seek(6 * MIB)
            self.assertEqual(here.read(10), b"beyond" + bytes(4))
            here.seek(8 * MIB - 2)
            self.assertEqual(here.write(b"xyz"), 2)
            self.assertEqual(os.lseek(there.fileno(), 5 * MIB, os.SEEK_DATA), 6 * MIB)

    def test_a_takeover_keeps_it(self):
        self.owner.run("volume", "resize", "disk", "8M")
        with open(self.standby.path("disk"), "r+b", buffering=0) as file:
            file.seek(6 * MIB)
            file.write(b"beyond")
            self.standby.run("failover", "--to", self.standby.node)
            file.seek(6 * MIB)
            self.assertEqual(file.read(6), b"beyond")
        self.assertEqual(self.owner.path("disk").stat().st_size, 8 * MIB)

    def test_what_another_node_has_open_is_not_renamed_or_exported(self):
        with open(self.standby.path("disk"), "rb"):
            self.assertIn("is open", self.owner.refused("volume", "rename", "disk", "other"))
            self.assertIn("is open", self.owner.refused("volume", "export", "disk", self.lab.directory / "out"))
        lab.wait_until(lambda: self.owner.json("volume", "show", "disk")["open_count"] == 0)
        self.standby.run("volume", "rename", "disk", "other")
        for controller in (self.owner, self.standby):
            self.assertEqual(os.listdir(controller.mount), ["other"])
        with open(self.standby.path("other"), "r+b") as file:
            file.write(b"through")
        self.assertEqual(self.owner.path("other").read_bytes()[:7], b"through")


if __name__ == "__main__":
    lab.main()
