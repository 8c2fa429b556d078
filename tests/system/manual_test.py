#!/usr/bin/python3
"""The manual pages: they name what the programs know, and render without a warning."""

import re
import sys
import unittest

import lab

sys.path.insert(0, str(lab.SOURCE / "tests" / "tidy"))
import pages  # noqa: E402
import programs  # noqa: E402
import tree  # noqa: E402

PAGES = ("baton.1", "batond.8", "batond.toml.5")


class Manual(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = lab.Lab("manual")
        cls.addClassCleanup(cls.directory.close)
        cls.out = cls.directory.make_directory("man")
        lab.run(lab.SOURCE / "packaging/man/build", lab.BUILD, cls.out)
        cls.known = programs.Programs(lab.BUILD)

    def shown(self, page):
        text = lab.run("man", "--local-file", "--warnings=w", self.out / page,
                       env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "400"})
        self.assertEqual(text.stderr, "")
        return re.sub(r".\x08", "", text.stdout)

    def test_render_without_a_warning(self):
        for page in PAGES:
            with self.subTest(page=page):
                self.assertEqual(lab.run("groff", "-ww", "-z", "-man", "-Tutf8", "-Kutf8", self.out / page).stderr, "")
                found = lab.run("mandoc", "-Tlint", "-Wwarning", self.out / page, check=False).stdout
                # What scdoc always writes, and no reader sees.
                self.assertEqual([line for line in found.splitlines() if "skipping paragraph macro" not in line], [])
                self.assertGreater(len(self.shown(page)), 1000)

    def test_of_the_client_has_every_command_with_its_options(self):
        text = self.shown("baton.1")
        options = self._sections(text)
        self.assertEqual(options.pop("OPTIONS"), self._options(self.known.baton))
        expected = {}
        self._collect(self.known.baton, "baton", expected)
        self.assertEqual(options, expected)

    def _collect(self, command, path, found):
        for name, below in command.commands.items():
            if below.commands:
                self._collect(below, f"{path} {name}", found)
            else:
                found[f"{path} {name}"] = self._options(below)

    @staticmethod
    def _options(command):
        return {name for name in command.options if name not in ("-h", "--help")}

    @staticmethod
    def _sections(text):
        """Command, or OPTIONS -> the options that are explained there."""
        found, here = {}, None
        for line in text.splitlines():
            if re.fullmatch(r"[A-Z][A-Z ]*", line):
                here = line if line == "OPTIONS" else None
            elif heading := re.fullmatch(r"   (baton [a-z ]+)", line):
                here = heading[1]
            if here is not None:
                found.setdefault(here, set())
                if re.match(r"       -", line):
                    found[here].update(re.findall(r"(?<!\S)--?[a-z][\w-]*", line))
        return found

    def test_of_the_daemon_has_every_option(self):
        self.assertEqual(self._sections(self.shown("batond.8"))["OPTIONS"], self._options(self.known.batond))

    def test_of_the_configuration_has_every_setting_with_its_default(self):
        text = self.shown("batond.toml.5")
        table, found = "", {"": set()}
        for line in text.splitlines():
            if heading := re.fullmatch(r"TABLE \[([\w.]+)\]", line):
                table = heading[1]
                found[table] = set()
            elif line == "EXAMPLE":
                break
            elif setting := re.match(r"       (\w+) = ", line):
                found[table].add(setting[1])
        known = pages.settings_of(tree.Tree(lab.SOURCE))
        known["fence"].remove("ip")  # an example, which stands before its table
        known["fence.options"].add("ip")
        self.assertEqual(found, known)
        self.assertIn('control = "/run/baton/control.sock"', text)
        self.assertIn("renew_seconds = 0.5", text)


if __name__ == "__main__":
    lab.main()
