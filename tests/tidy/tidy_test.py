#!/usr/bin/env python3
"""The rules of the tree that a machine can check: floors, names, lengths, and that documentation and
comments name what there is.

Tidy runs each check on this tree. Planted runs it on a copy into which one fault was planted, and
expects that it is reported.
"""

import os
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

import code  # noqa: E402  of this folder
import comments  # noqa: E402
import pages  # noqa: E402
import programs  # noqa: E402
import tree  # noqa: E402

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BATON_BUILD", SOURCE / "build"))


def built_programs():
    missing = [name for name in ("baton", "batond") if not (BUILD / name).exists()]
    if missing:
        raise unittest.SkipTest(f"{BUILD} has no {' and no '.join(missing)}: build them first")
    return programs.Programs(BUILD)


class Tidy(unittest.TestCase):
    def expect_none(self, faults):
        self.assertFalse(faults, "\n" + "\n".join(faults))

    @classmethod
    def setUpClass(cls):
        cls.tree = tree.Tree(SOURCE)

    def test_commands(self):
        self.expect_none(pages.check_commands(self.tree, built_programs()))


def _add_test(check):
    def test(self):
        self.expect_none(check(self.tree))
    test.__doc__ = check.__doc__
    setattr(Tidy, check.__name__.replace("check", "test", 1), test)


for each in code.CHECKS + pages.CHECKS + comments.CHECKS:
    _add_test(each)


class Planted(unittest.TestCase):
    """A check that cannot fail shows nothing."""

    @classmethod
    def setUpClass(cls):
        cls.before = {}
        cls.scratch = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.scratch.name) / "tree"
        for path in tree.Tree(SOURCE).files:
            (cls.root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SOURCE / path, cls.root / path)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def expect(self, check, path, added, fault, *more):
        """`check` reports `fault`, a pattern, once `added` stands at the end of `path`, and no more."""
        before = self.found_before(check, *more)
        file = self.root / path
        text = file.read_text(encoding="utf-8") if file.exists() else None
        file.parent.mkdir(exist_ok=True)
        file.write_text((text or "") + added, encoding="utf-8")
        try:
            found = [line for line in check(tree.Tree(self.root), *more) if line not in before]
        finally:
            if text is None:
                file.unlink()
            else:
                file.write_text(text, encoding="utf-8")
        self.assertEqual(len(found), 1, f"{added}: {found}")
        self.assertRegex(found[0], fault)

    def found_before(self, check, *more):
        if check not in self.before:
            self.before[check] = set(check(tree.Tree(self.root), *more))
        return self.before[check]

    def test_back_edge(self):
        self.expect(code.check_floors, "engine/volume/volume.h", '#include "engine/engine.h"\n',
                    r"volume\.h:\d+: engine/volume may not include engine/engine\.h")

    def test_file_beyond_those_that_are_allowed(self):
        self.expect(code.check_floors, "ha/core/facts.h", '#include "engine/base/runtime.h"\n',
                    "ha/core may not include engine/base/runtime.h")

    def test_message_of_another_floor(self):
        self.expect(code.check_floors, "ha/io/peer.proto", 'import "cli/control/control.proto";\n',
                    "ha/io may not include cli/control")

    def test_folder_without_rules(self):
        self.expect(code.check_floors, "fs/new/file.h", "", "folder fs/new has no line in the floors")

    def test_circle_of_rules(self):
        rules = tree.RULES
        text = (self.root / rules).read_text()
        changed = re.sub(r"^engine/base +->", "engine/base -> fs", text, flags=re.M)
        (self.root / rules).write_text(changed)
        try:
            found = code.check_floors(tree.Tree(self.root))
        finally:
            (self.root / rules).write_text(text)
        self.assertIn(f"{rules}: engine/base -> fs: the arrows go round in a circle", found)

    def test_library_of_a_higher_floor(self):
        self.expect(code.check_links_of_libraries, "fs/CMakeLists.txt",
                    "target_link_libraries(baton_fs PUBLIC baton_engine)\n",
                    "fs/CMakeLists.txt: baton_engine does not stand below fs")

    def test_twin(self):
        self.expect(code.check_twins, "ha/io/session.cc", "", r"session.*fs and in ha/io")

    def test_foreign_library(self):
        self.expect(code.check_libraries, "fs/session.cc", "#include <rocksdb/db.h>\n",
                    r"fs/session\.cc:\d+: <rocksdb/db\.h> belongs into engine/meta")

    def expect_length(self, path, text, *faults):
        self.found_before(code.check_lengths)
        (self.root / path).write_text(text, encoding="utf-8")
        try:
            found = set(code.check_lengths(tree.Tree(self.root))) - self.before[code.check_lengths]
        finally:
            (self.root / path).unlink()
        self.assertEqual(found, set(faults))

    def test_long_function(self):
        for lines, faults in ((70, []), (71, ["fs/planted.cc:1: Planted has 71 lines, at most 70"])):
            body = "void Planted() {\n" + "  [] { Call(\"}\"); }();  // }\n" * (lines - 2) + "}\n"
            self.expect_length("fs/planted.cc", body, *faults)

    def test_long_method(self):
        self.expect_length("tests/planted.h",
                           "class A {\n  int F() const {\n" + "    Call();\n" * 69 + "  }\n};\n",
                           "tests/planted.h:2: F has 71 lines, at most 70")

    def test_long_functions_of_scripts(self):
        self.expect_length("tests/planted.py", "def planted():\n" + "    call()\n" * 70,
                           "tests/planted.py:1: planted has 71 lines, at most 70")
        self.expect_length("packaging/planted", "#!/bin/sh\nplanted() {\n" + "  true\n" * 69 + "}\n",
                           "packaging/planted:2: planted has 71 lines, at most 70")

    def test_long_file(self):
        for path in ("engine/planted.h", "tests/planted.cc", "docs/planted.md"):
            self.expect_length(path, "\n" * 800)
            self.expect_length(path, "\n" * 801, f"{path}: 801 lines, at most 800")

    def test_long_page(self):
        self.expect(code.check_lengths, tree.RULES, "\n" * 300, "lines, at most 300")

    def test_thread_without_a_page(self):
        self.expect(pages.check_threads, "fs/session.cc", 'auto t = runtime.StartThread("planted", [] {});\n',
                    r"fs/session\.cc: thread planted is neither in docs/threads\.md")

    def test_long_cell(self):
        self.expect(pages.check_cells, "docs/clone.md", "\n| a |\n|---|\n| " + "word " * 21 + "|\n",
                    "a cell has 21 words, at most 20")

    def test_replaced_names(self):
        self.expect(code.check_names, "fs/session.h", "class Tenure;\n", '"Tenure" is now: OwnedEpoch')
        self.expect(code.check_names, "docs/clone.md", "The ring has it.\n", '"ring" is now: intent log')

    def test_dead_path(self):
        self.expect(pages.check_paths, "README.md", "See `engine/meta/gone.cc`.\n",
                    r"README\.md:\d+: there is no engine/meta/gone\.cc")
        self.expect(pages.check_paths, "docs/clone.md", "```\ntests/gone --all\n```\n", "there is no tests/gone")
        self.expect(pages.check_paths, "docs/clone.md", "It is in `gone.cc`.\n", "there is no file gone.cc")

    def test_dead_name_in_a_comment(self):
        for path, added, fault in (("fs/session.h", "int planted;  // See gone.h.", "there is no gone.h"),
                                   ("fs/session.cc", "/* As in\n   engine/meta/gone.cc. */", "engine/meta/gone.cc"),
                                   ("ha/io/peer.proto", "// In tests/gone.", "there is no tests/gone"),
                                   ("fs/session.h", "// docs/clone.md#gone", "no heading gone in docs/clone.md"),
                                   ("tests/system/pair.py", 'X = "# gone.py"  # As gone.cc.', "there is no gone.cc"),
                                   ("tests/system/pair.py", 'def planted():\n    """As gone.py."""', "no gone.py"),
                                   ("packaging/build", "true  # docs/gone.md", "there is no docs/gone.md"),
                                   ("fs/CMakeLists.txt", "# engine/gone", "there is no engine/gone")):
            self.expect(comments.check_comments, path, added + "\n", fault)

    def test_dead_link(self):
        self.expect(pages.check_links, "docs/clone.md", "[there](gone.md)\n", "leads to no file")
        self.expect(pages.check_links, "docs/clone.md", "[there](pair.md#gone)\n", "leads to no heading")
        self.expect(pages.check_links, "docs/decisions/planted.md", "[there](../gone.md)\n", "leads to no file")

    def test_dead_command_and_option(self):
        built = built_programs()
        for added, fault in (("`baton clone explode 7`", "there is no command explode"),
                             ("`clone explode`", "there is no command explode"),
                             ("`baton clone create --speed 7`", "there is no option --speed"),
                             ("`batond --pool DIR --mounts DIR`", "there is no option --mounts"),
                             ("```\nFOO=1 baton --json pol init DIR\n```", "there is no command pol"),
                             ("```\nsudo true; batond --pol DIR\n```", "there is no option --pol"),
                             ("`failover --towards left`", "there is no option --towards"),
                             ("`--explode`", "there is no option --explode"),
                             ("`tests/bench/compare --explode`", "there is no option --explode")):
            self.expect(pages.check_commands, "docs/clone.md", added + "\n", fault, built)

    def test_dead_setting(self):
        self.expect(pages.check_settings, "docs/pair.md", "Set `pair.gone_seconds`.\n",
                    "there is no setting pair.gone_seconds")
        self.expect(pages.check_settings, "docs/pair.md", "See `[gone]`.\n", r"there is no table \[gone\]")

    def test_dead_identifier(self):
        self.expect(pages.check_identifiers, "docs/pair.md", "`Coordinator::Explode`\n", "the code has no Explode")


if __name__ == "__main__":
    unittest.main()
