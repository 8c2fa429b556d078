#!/usr/bin/python3
"""What is planted is found, and nothing else. planted_test.py BUILD_DIR"""

import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = sys.argv.pop(1)


class PlantedTest(unittest.TestCase):
    def look_at(self, tool, source):
        """Exit code and text."""
        done = subprocess.run([HERE / "run", tool, BUILD, HERE / "planted" / source],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def assert_found(self, tool, source, text):
        code, output = self.look_at(tool, source)
        self.assertEqual(code, 1, output)
        self.assertIn(text, output)

    def test_access_without_the_lock(self):
        self.assert_found("clang", "unguarded.cc", "'count_' requires holding mutex 'mutex_'")

    def test_name_without_its_include(self):
        self.assert_found("clang", "forgotten_include.cc", "unknown type name 'PosixStorage'")

    def test_use_after_move(self):
        self.assert_found("tidy", "moved.cc", "'name' used after it was moved")

    def test_nothing(self):
        for tool in ("clang", "tidy"):
            code, output = self.look_at(tool, "sound.cc")
            self.assertEqual(code, 0, output)


if __name__ == "__main__":
    unittest.main()
