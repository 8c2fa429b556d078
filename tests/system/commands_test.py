#!/usr/bin/python3
"""The command line as a contract: what each command does, prints as --json, and exits with."""

import os
import subprocess
import time

import lab
from lab import EXTENT_BYTES, MIB, SystemTest

STATUS_FIELDS = {"node", "role", "owner", "epoch", "proof", "nodes", "healthy"}
VOLUME_FIELDS = {"name", "size_bytes", "allocated_bytes", "path"}
CLONE_FIELDS = {"id", "source", "target", "state", "extent_bytes", "extents_total",
                "extents_copied", "extents_pending", "extents_copying", "extents_landing",
                "copies_total", "certificate", "error"}


class Status(SystemTest):
    def test_of_a_lone_controller_is_healthy_and_says_who_owns_the_pool(self):
        controller = self.lab.start_controller(node="left")
        status = controller.json("status")
        self.assertLessEqual(STATUS_FIELDS, status.keys())
        self.assertEqual(status["node"], "left")
        self.assertEqual(status["role"], "owner")
        self.assertEqual(status["owner"], "left")
        self.assertIs(status["healthy"], True)
        self.assertEqual([node["name"] for node in status["nodes"]], ["left"])

    def test_epoch_grows_by_one_with_every_start(self):
        controller = self.lab.start_controller()
        first = controller.json("status")["epoch"]
        controller.stop()
        controller.start()
        self.assertEqual(controller.json("status")["epoch"], first + 1)
        controller.kill()
        controller.start()
        self.assertEqual(controller.json("status")["epoch"], first + 2)

    def test_control_socket_comes_from_the_environment_too(self):
        controller = self.lab.start_controller()
        result = lab.run(lab.BUILD / "baton", "--json", "status",
                         env=dict(os.environ, BATON_CONTROL=str(controller.control)))
        self.assertIn('"role"', result.stdout)

    def test_without_a_controller_says_so(self):
        controller = self.lab.make_controller()
        line = controller.refused("status", code=lab.UNREACHABLE)
        self.assertIn(str(controller.control), line)


class Volumes(SystemTest):
    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()

    def test_thin_volume_has_its_size_and_takes_no_space(self):
        path = self.controller.create_volume("thin", "8M")
        shown = self.controller.json("volume", "show", "thin")
        self.assertLessEqual(VOLUME_FIELDS, shown.keys())
        self.assertEqual(shown["name"], "thin")
        self.assertEqual(shown["size_bytes"], 8 * MIB)
        self.assertLess(shown["allocated_bytes"], MIB)
        self.assertEqual(shown["path"], str(path))
        self.assertEqual(os.path.getsize(path), 8 * MIB)
        self.assertEqual(path.read_bytes(), bytes(8 * MIB))

    def test_thick_volume_has_its_space_from_the_start(self):
        path = self.controller.create_volume("thick", "8M", "--thick")
        shown = self.controller.json("volume", "show", "thick")
        self.assertGreaterEqual(shown["allocated_bytes"], 8 * MIB)
        self.assertEqual(path.read_bytes(), bytes(8 * MIB))

    def test_imported_file_reads_back_and_stays_sparse(self):
        image = self.lab.directory / "image"
        lab.fill_random(image, 16 * MIB, seed=1, holes=0.7)
        path = self.controller.import_volume("image", image)
        self.assert_same_content(path, image)
        shown = self.controller.json("volume", "show", "image")
        self.assertEqual(shown["size_bytes"], 16 * MIB)
        self.assertLess(shown["allocated_bytes"], 12 * MIB)

    def test_volume_is_an_ordinary_file_of_the_pool(self):
        path = self.controller.create_volume("plain", "4M")
        with open(path, "r+b") as file:
            file.write(b"content" * 1000)
        expected = path.read_bytes()
        self.controller.stop()
        self.assertEqual((self.controller.pool / "volumes" / "plain").read_bytes(), expected)

    def test_list_follows_create_and_delete(self):
        self.assertEqual(self._names(), [])
        self.controller.create_volume("b", "4M")
        self.controller.create_volume("a", "4M")
        self.assertEqual(sorted(self._names()), ["a", "b"])
        self.controller.run("volume", "delete", "a")
        self.assertEqual(self._names(), ["b"])
        self.assertEqual(os.listdir(self.controller.mount), ["b"])
        self.assertEqual(os.listdir(self.controller.pool / "volumes"), ["b"])

    def _names(self):
        return [volume["name"] for volume in self.controller.json("volume", "list")["volumes"]]

    def test_content_survives_a_clean_restart(self):
        path = self.controller.create_volume("kept", "4M")
        data = os.urandom(MIB)
        with open(path, "r+b") as file:
            file.seek(12345)
            file.write(data)
        self.controller.stop()
        self.controller.start()
        with open(path, "rb") as file:
            file.seek(12345)
            self.assertEqual(file.read(MIB), data)

    def test_smallest_volume_is_one_block(self):
        path = self.controller.create_volume("tiny", "4K")
        self.assertEqual(path.read_bytes(), bytes(4096))


class Clones(SystemTest):
    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()
        image = self.lab.directory / "image"
        lab.fill_random(image, 16 * MIB, seed=2)
        self.source = self.controller.import_volume("src", image)
        self.target = self.controller.create_volume("dst", "16M")
        self.image = image

    def test_goes_through_its_states_with_all_fields(self):
        clone = self.controller.create_clone("src", "dst", "--rate", "4M")
        status = self.controller.clone(clone)
        self.assertLessEqual(CLONE_FIELDS, status.keys())
        self.assertEqual(str(status["id"]), clone)
        self.assertEqual((status["source"], status["target"]), ("src", "dst"))
        self.assertEqual(status["state"], "created")
        self.assertEqual(status["extent_bytes"], EXTENT_BYTES)
        self.assertEqual(status["extents_total"], 16 * MIB // EXTENT_BYTES)
        self.controller.run("clone", "activate", clone)
        self.assertEqual(self.controller.clone(clone)["state"], "activated")
        self.controller.run("clone", "start", clone)
        self.assertEqual(self.controller.clone(clone)["state"], "copying")
        self.controller.run("clone", "set", clone, "--rate", "1G")
        status = self.controller.wait_clone(clone)
        self.assertEqual(status["extents_copied"], status["extents_total"])
        self.assertEqual(status["copies_total"], status["extents_total"])
        self.assertEqual(status["error"], "")
        self.assertRegex(status["certificate"], "^[0-9a-f]{32}$")
        self.assert_same_content(self.target, self.image)

    def test_latency_target_is_shown_with_what_comes_of_it(self):
        clone = self.controller.start_clone("src", "dst", "--rate", "1M", "--latency-target", "5ms")
        def has_measured():
            with open(self.source, "rb") as file:
                file.read(MIB)
            return self.controller.clone(clone)["host_p99_us"] > 0
        self.controller.run("clone", "set", clone, "--latency-target", "100ms")
        lab.wait_until(has_measured, what="a latency")
        status = self.controller.clone(clone)
        self.assertEqual(status["latency_target_us"], 100000)
        self.assertEqual(status["copy_limit_bytes_per_second"], MIB)
        text = self.controller.run("clone", "status", clone).stdout
        self.assertRegex(text, r"(?m)^latency target +100ms$")
        self.assertRegex(text, r"(?m)^hosts' p99 +\S")
        self.assertRegex(text, r"(?m)^copy limit +1 MiB/s$")
        self.controller.run("clone", "set", clone, "--rate", "unlimited", "--latency-target", "off")
        self.controller.wait_clone(clone)
        text = self.controller.run("clone", "status", clone).stdout
        self.assertRegex(text, r"(?m)^latency target +none$")
        self.assertNotIn("p99", text)

    def test_target_shows_the_point_in_time_at_once(self):
        clone = self.controller.start_clone("src", "dst", "--rate", "1M")
        with open(self.source, "r+b") as file:
            file.seek(9 * MIB + 100)
            file.write(b"written after the start" * 5000)
        self.assert_same_content(self.target, self.image)
        self.controller.run("clone", "set", clone, "--rate", "1G")
        self.controller.wait_clone(clone)
        self.assert_same_content(self.target, self.image)
        self.assertIsNotNone(lab.first_difference(self.source, self.image))

    def test_pause_stops_the_copying_and_resume_goes_on(self):
        clone = self.controller.start_clone("src", "dst", "--rate", "8M")
        self.controller.run("clone", "pause", clone)
        self.assertEqual(self.controller.clone(clone)["state"], "paused")
        before = self._settled(clone)
        time.sleep(0.5)
        self.assertEqual(self.controller.clone(clone)["extents_copied"], before)
        self.assertLess(before, 256)
        self.controller.run("clone", "resume", clone)
        self.controller.run("clone", "set", clone, "--rate", "1G")
        self.controller.wait_clone(clone)
        self.assert_same_content(self.target, self.image)

    def _settled(self, clone):
        """Extents copied, once those that were in flight at the pause are done."""
        def in_flight():
            status = self.controller.clone(clone)
            return status["extents_copying"] + status["extents_landing"]
        lab.wait_until(lambda: in_flight() == 0, what="the end of the copies in flight")
        return self.controller.clone(clone)["extents_copied"]

    def test_residual_counts_what_is_left(self):
        clone = self.controller.start_clone("src", "dst", "--rate", "4M")
        self.controller.run("clone", "pause", clone)
        copied = self._settled(clone)
        residual = self.controller.json("clone", "residual", clone, "--extents")
        self.assertEqual(residual["extents_residual"], 256 - copied)
        self.assertEqual(residual["extents_residual"],
                         residual["extents_pending"] + residual["extents_copying"]
                         + residual["extents_landing"])
        self.assertEqual(residual["bytes_residual"], residual["extents_residual"] * EXTENT_BYTES)
        self.assertEqual(sum(extents["count"] for extents in residual["pending"]),
                         residual["extents_pending"])

    def test_several_start_at_one_point_in_time(self):
        self.controller.create_volume("dst2", "16M")
        clones = [self.controller.create_clone("src", target, "--rate", "4M")
                  for target in ("dst", "dst2")]
        self.controller.run("clone", "activate", *clones)
        with open(self.source, "r+b", buffering=0) as file:
            writer = subprocess.Popen(["dd", "if=/dev/urandom", f"of={self.source}", "bs=64K",
                                       "count=128", "conv=notrunc", "status=none"])
            self.controller.run("clone", "start", *clones)
            self.assertEqual(writer.wait(60), 0)
            file.write(b"later")
        for clone in clones:
            self.controller.run("clone", "set", clone, "--rate", "1G")
            self.controller.wait_clone(clone)
        self.assert_same_content(self.target, self.controller.path("dst2"))

    def test_run_does_it_all(self):
        self.controller.run("clone", "run", "src", "dst")
        self.assert_same_content(self.target, self.image)
        self.assertEqual(self.controller.clone("dst")["state"], "completed")

    def test_target_of_a_completed_clone_can_be_cloned(self):
        self.controller.create_volume("dst2", "16M")
        self.controller.run("clone", "run", "src", "dst")
        self.controller.run("clone", "run", "dst", "dst2")
        self.assert_same_content(self.controller.path("dst2"), self.image)

    def test_is_named_by_its_target_too(self):
        clone = self.controller.create_clone("src", "dst")
        self.assertEqual(str(self.controller.clone("dst")["id"]), clone)

    def test_list_has_every_clone(self):
        self.controller.create_volume("dst2", "16M")
        clones = {self.controller.create_clone("src", target) for target in ("dst", "dst2")}
        listed = self.controller.json("clone", "list")["clones"]
        self.assertEqual({str(clone["id"]) for clone in listed}, clones)

    def test_wait_gives_up_with_its_own_exit_code(self):
        clone = self.controller.start_clone("src", "dst", "--rate", "1M")
        self.controller.refused("clone", "wait", clone, "--timeout", "1", code=lab.TIMED_OUT)
        self.assertEqual(self.controller.clone(clone)["state"], "copying")

    def test_stopped_clone_leaves_a_target_that_cannot_be_read(self):
        clone = self.controller.start_clone("src", "dst", "--rate", "1M")
        self.controller.run("clone", "stop", clone)
        self.assertEqual(self.controller.clone(clone)["state"], "stopped")
        with self.assertRaises(OSError):
            self.target.read_bytes()
        self.controller.run("clone", "delete", clone)
        self.assertEqual(self.target.read_bytes(), bytes(16 * MIB))

    def test_stopped_clone_can_be_activated_and_started_anew(self):
        clone = self.controller.start_clone("src", "dst", "--rate", "1M")
        self.controller.run("clone", "stop", clone)
        with open(self.source, "r+b") as file:
            file.write(b"of the second point in time")
        second_image = self.lab.directory / "second"
        lab.copy_sparse(self.source, second_image)
        self.controller.run("clone", "set", clone, "--rate", "1G")
        self.controller.run("clone", "activate", clone)
        self.controller.run("clone", "start", clone)
        self.controller.wait_clone(clone)
        self.assert_same_content(self.target, second_image)

    def test_verify_tells_extents_that_a_host_has_written(self):
        self.controller.run("clone", "run", "src", "dst")
        report = self.controller.json("clone", "verify", "dst")
        self.assertEqual(report["extents_differing"], 0)
        self.assertEqual(report["certificate_now"], report["certificate"])
        with open(self.target, "r+b") as file:
            file.seek(5 * EXTENT_BYTES + 7)
            file.write(b"\0host\0")
        result = self.controller.run("--json", "clone", "verify", "dst", check=False)
        report = lab.json.loads(result.stdout)
        self.assertEqual(report["extents_differing"], 1)
        self.assertEqual(report["differing"], [{"first": 5, "count": 1}])
        self.assertNotEqual(report["certificate_now"], report["certificate"])

    def test_certificate_is_that_of_the_content(self):
        self.controller.create_volume("dst2", "16M")
        for target in ("dst", "dst2"):
            self.controller.run("clone", "run", "src", target)
        self.assertEqual(self.controller.clone("dst")["certificate"],
                         self.controller.clone("dst2")["certificate"])

    def test_goes_on_after_a_clean_restart(self):
        clone = self.controller.start_clone("src", "dst", "--rate", "8M")
        lab.wait_until(lambda: self.controller.clone(clone)["extents_copied"] > 32,
                       what="some progress")
        before = self.controller.clone(clone)["extents_copied"]
        self.controller.stop()
        self.controller.start()
        self.assertGreaterEqual(self.controller.clone(clone)["extents_copied"], before)
        self.controller.run("clone", "set", clone, "--rate", "1G")
        status = self.controller.wait_clone(clone)
        self.assertEqual(status["copies_total"], status["extents_total"])
        self.assert_same_content(self.target, self.image)

    def test_events_tell_what_happened(self):
        self.controller.run("clone", "run", "src", "dst")
        events = self.controller.json("events")["events"]
        kinds = [event["kind"] for event in events]
        for kind in ("epoch-claimed", "volume-created", "clone-started", "clone-completed"):
            self.assertIn(kind, kinds)
        sequences = [event["sequence"] for event in events]
        self.assertEqual(sequences, sorted(sequences))

    def test_every_extent_size_copies_exactly(self):
        for extent in ("4K", "1M", "4M"):
            with self.subTest(extent=extent):
                target = f"dst-{extent.lower()}"
                self.controller.create_volume(target, "16M")
                self.controller.run("clone", "run", "src", target, "--extent", extent)
                self.assert_same_content(self.controller.path(target), self.image)


if __name__ == "__main__":
    lab.main()
