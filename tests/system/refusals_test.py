#!/usr/bin/python3
"""What the command line refuses: one clear line, exit code 1 or 2, and nothing is changed."""

import socket
import time

import lab
from lab import MIB, REFUSED, USAGE, SystemTest

EITHER = (REFUSED, USAGE)


class RefusalTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.controller = self.lab.start_controller()
        image = self.lab.directory / "image"
        lab.fill_random(image, 4 * MIB, seed=3)
        self.controller.import_volume("src", image)
        for name in ("dst", "other"):
            self.controller.create_volume(name, "4M")

    def state(self):
        """All that a refused command could have changed."""
        return (self.controller.json("volume", "list"), self.controller.json("clone", "list"),
                sorted((path.name, path.stat().st_size)
                       for path in (self.controller.pool / "volumes").iterdir()))

    def assert_refused(self, *arguments, says=(), code=EITHER):
        before = self.state()
        line = self.controller.refused(*arguments, code=code)
        self.assertEqual(self.state(), before, f"{arguments} changed something")
        for word in says:
            self.assertIn(word, line)


class Volumes(RefusalTest):
    def test_bad_names(self):
        for name in ("", "A", "Upper", ".hidden", "-dash", "_under", "a/b", "../up", "a b", "ä",
                     "x" * 64, "a\nb"):
            with self.subTest(name=name):
                self.assert_refused("volume", "create", "--size", "4M", "--", name)

    def test_bad_sizes(self):
        for size in ("0", "-4096", "1", "4095", "4097", "10000", "", "M", "4MM", "4.5.1M", "1e6",
                     "0x1000", "18446744073709551616", "99999999999T", "16777216T", "65T"):
            with self.subTest(size=size):
                self.assert_refused("volume", "create", "new", f"--size={size}")

    def test_size_larger_than_the_file_system_holds(self):
        self.assert_refused("volume", "create", "new", "--size", "60T")

    def test_thick_volume_larger_than_the_free_space(self):
        self.assert_refused("volume", "create", "new", "--size", "10T", "--thick")

    def test_a_volume_that_would_not_grow(self):
        for size in ("4M", "1M", "0", "5000000", "60T", "x"):
            with self.subTest(size=size):
                self.assert_refused("volume", "resize", "src", size)

    def test_a_volume_in_use_is_neither_renamed_nor_resized(self):
        with open(self.controller.path("src"), "rb"):
            self.assert_refused("volume", "rename", "src", "new", says=["src is open"])
        clone = self.controller.start_clone("src", "dst", "--rate", "4K")
        self.assert_refused("volume", "rename", "src", "new", says=["uses volume src"])
        for volume in ("src", "dst"):
            self.assert_refused("volume", "resize", volume, "8M", says=[f"clone {clone}", "copying", "stop"])
        self.assert_refused("volume", "rename", "other", "src", says=["exists"])

    def test_names_that_exist_or_do_not(self):
        self.assert_refused("volume", "create", "src", "--size", "4M", says=["src", "exists"])
        self.assert_refused("volume", "show", "none", says=["none"])
        self.assert_refused("volume", "delete", "none", says=["none"])

    def test_import_of_what_is_no_image(self):
        odd = self.lab.directory / "odd"
        odd.write_bytes(b"x" * 5000)
        empty = self.lab.directory / "empty"
        empty.write_bytes(b"")
        for image in (odd, empty, self.lab.directory / "missing", self.lab.directory):
            with self.subTest(image=image.name):
                self.assert_refused("volume", "import", "new", image)

    def test_create_over_a_file_that_was_restored(self):
        restored = self.controller.pool / "volumes" / "restored"
        lab.fill_random(restored, 4 * MIB, seed=5)
        content = restored.read_bytes()
        self.assert_refused("volume", "create", "restored", "--size", "4M", code=REFUSED,
                            says=["baton volume adopt restored"])
        self.assert_refused("volume", "import", "restored", self.lab.directory / "image",
                            says=["baton volume adopt restored"])
        self.assertEqual(restored.read_bytes(), content)
        self.controller.run("volume", "adopt", "restored")
        self.assertEqual(self.controller.path("restored").read_bytes(), content)

    def test_adoption_of_what_is_no_volume(self):
        odd = self.controller.pool / "volumes" / "odd"
        odd.write_bytes(b"x" * 5000)
        for name in ("odd", "none", "src", "7", "../pool.pb"):
            self.assert_refused("volume", "adopt", name)

    def test_import_over_an_existing_volume(self):
        self.assert_refused("volume", "import", "src", self.lab.directory / "image", says=["src"])

    def test_delete_of_a_volume_that_a_host_has_open(self):
        with open(self.controller.path("src"), "rb") as file:
            file.read(4096)
            self.assert_refused("volume", "delete", "src", says=["open"])

    def test_delete_of_a_volume_that_a_clone_uses(self):
        clone = self.controller.create_clone("src", "dst")
        for name in ("src", "dst"):
            self.assert_refused("volume", "delete", name, says=[clone])


class Clones(RefusalTest):
    def test_volumes_that_do_not_fit(self):
        self.controller.create_volume("large", "8M")
        self.assert_refused("clone", "create", "src", "src")
        self.assert_refused("clone", "create", "src", "large", says=["size"])
        self.assert_refused("clone", "create", "src", "none", says=["none"])
        self.assert_refused("clone", "create", "none", "dst", says=["none"])

    def test_target_that_is_in_use_by_an_active_clone(self):
        self.controller.start_clone("src", "dst", "--rate", "64K")
        self.assert_refused("clone", "create", "other", "dst", says=["dst"])
        self.assert_refused("clone", "create", "other", "src", says=["src"])

    def test_bad_extent_sizes(self):
        for extent in ("0", "1", "2K", "5000", "96K", "8M", "-64K", "x"):
            with self.subTest(extent=extent):
                self.assert_refused("clone", "create", "src", "dst", f"--extent={extent}")

    def test_bad_rates_and_policies(self):
        self.assert_refused("clone", "create", "src", "dst", "--rate=fast")
        self.assert_refused("clone", "create", "src", "dst", "--rate=-1")
        self.assert_refused("clone", "create", "src", "dst", "--latency-target=5",
                            says=["latency target", "5ms"])
        self.assert_refused("clone", "create", "src", "dst", "--latency-target=11s")
        self.assert_refused("clone", "create", "src", "dst", "--on-error=panic")

    def test_ids_that_are_none(self):
        for command in ("activate", "start", "pause", "resume", "stop", "delete", "status",
                        "residual", "wait", "verify"):
            for clone in ("7", "none", "-1", "99999999999999999999"):
                with self.subTest(command=command, clone=clone):
                    self.assert_refused("clone", command, "--", clone)

    def assert_states(self, clone, allowed):
        """Of all commands that change a relation, only `allowed` are; the others say what is."""
        for command in ("activate", "start", "pause", "resume", "stop", "verify"):
            if command not in allowed:
                with self.subTest(command=command):
                    self.assert_refused("clone", command, clone, code=REFUSED)

    def test_commands_that_a_created_clone_does_not_allow(self):
        clone = self.controller.create_clone("src", "dst")
        self.assert_states(clone, {"activate"})

    def test_commands_that_an_activated_clone_does_not_allow(self):
        clone = self.controller.create_clone("src", "dst")
        self.controller.run("clone", "activate", clone)
        self.assert_states(clone, {"start", "stop"})

    def test_commands_that_a_copying_clone_does_not_allow(self):
        clone = self.controller.start_clone("src", "dst", "--rate", "64K")
        self.assertEqual(self.controller.clone(clone)["state"], "copying")
        self.assert_copying_states(clone)

    def assert_copying_states(self, clone):
        for command in ("activate", "start", "resume", "verify", "delete"):
            with self.subTest(command=command):
                before = self.controller.clone(clone)["state"]
                line = self.controller.refused("clone", command, clone)
                self.assertIn("copying", line)
                self.assertEqual(self.controller.clone(clone)["state"], before)

    def test_commands_that_a_completed_clone_does_not_allow(self):
        self.controller.run("clone", "run", "src", "dst")
        clone = str(self.controller.clone("dst")["id"])
        self.assert_states(clone, {"verify"})

    def test_group_with_one_wrong_member_starts_none(self):
        first = self.controller.create_clone("src", "dst")
        second = self.controller.create_clone("src", "other")
        self.controller.run("clone", "activate", first)
        self.assert_refused("clone", "start", first, second, code=REFUSED)
        self.assertEqual(self.controller.clone(first)["state"], "activated")


class Usage(RefusalTest):
    def test_words_that_are_no_command(self):
        for arguments in (["frobnicate"], ["volume"], ["clone", "frobnicate"],
                          ["volume", "create"], ["volume", "create", "new"],
                          ["clone", "create", "src"], ["status", "--frobnicate"]):
            with self.subTest(arguments=arguments):
                result = self.controller.run(*arguments, check=False)
                self.assertEqual(result.returncode, USAGE, result.stderr)
                self.assertTrue(result.stderr.strip())


class Pools(SystemTest):
    def test_init_where_something_is(self):
        self.lab.make_pool("pool")
        before = sorted(self.lab.directory.rglob("*"))
        result = lab.run(lab.BUILD / "baton", "pool", "init", self.lab.directory / "pool",
                         check=False)
        self.assertEqual(result.returncode, REFUSED)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
        self.assertEqual(sorted(self.lab.directory.rglob("*")), before)

    def test_init_over_somebody_elses_files(self):
        directory = self.lab.make_directory("mine")
        (directory / "file").write_text("mine")
        result = lab.run(lab.BUILD / "baton", "pool", "init", directory, check=False)
        self.assertEqual(result.returncode, REFUSED, result.stderr)
        self.assertEqual([path.name for path in directory.iterdir()], ["file"])

    def test_init_over_files_of_the_pools_own_names(self):
        directory = self.lab.make_directory("mine")
        (directory / "intents").write_text("mine")
        result = lab.run(lab.BUILD / "baton", "pool", "init", directory, check=False)
        self.assertEqual(result.returncode, REFUSED, result.stderr)
        self.assertIn("'intents'", result.stderr)
        self.assertEqual([path.name for path in directory.iterdir()], ["intents"])
        self.assertEqual((directory / "intents").read_text(), "mine")

    def test_init_below_a_directory_that_is_not_there(self):
        result = lab.run(lab.BUILD / "baton", "pool", "init", self.lab.directory / "no" / "pool",
                         check=False)
        self.assertEqual(result.returncode, REFUSED, result.stderr)


class Starts(SystemTest):
    def test_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            controller = self.lab.make_controller(options=(
                "--insecure", "--listen", f"tcp://127.0.0.1:{port}", "--peer",
                "b=tcp://127.0.0.1:9"))
            begin = time.monotonic()
            code, line = controller.start_refused()
            self.assertEqual(code, REFUSED)
            self.assertIn(f"tcp://127.0.0.1:{port}: another process does", line)
            self.assertLess(time.monotonic() - begin, 5)

    def test_stop_while_the_lease_of_another_node_is_waited_for(self):
        owner = self.lab.start_controller(node="a")
        owner.kill()
        controller = self.lab.make_controller(pool=owner.pool, node="b")
        log = self.lab.directory / "stopped.log"
        with open(log, "wb") as output:
            process = self.lab.start(*controller.command_line(), stderr=output)
            lab.wait_until(lambda: b"waiting 5s for the lease" in log.read_bytes(), what="the wait")
            begin = time.monotonic()
            process.terminate()
            self.assertEqual(process.wait(30), 0)
        self.assertLess(time.monotonic() - begin, 2)


if __name__ == "__main__":
    lab.main()
