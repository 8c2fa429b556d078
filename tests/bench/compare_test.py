#!/usr/bin/python3
"""`compare` runs: a short round of everything gives figures for each way, and JSON."""

import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
import lab  # noqa: E402

# One of each kind.
ROWS = "4k-write-q16,1M-read-q4,extents-q1,extents-q16,copy,host"
COMPARE = pathlib.Path(__file__).resolve().with_name("compare")


class Compare(lab.SystemTest):
    def compare(self, *words, check=True, **options):
        return lab.run(COMPARE, "--rounds", 1, "--seconds", 0.1, "--size", 64, *words,
                       check=check, timeout=150, **options)

    def test_each_way_gives_figures(self):
        file = self.lab.directory / "result.json"
        printed = self.compare("--rows", ROWS, "--markdown", "--json", file).stdout
        result = json.loads(file.read_text())
        self.assertIn("| 4k write, q16, IOPS", printed)
        self.assertIn("| first write, q1 / no clone", printed)
        everywhere = {"raw", "bare", "qsd", "owner", "standby"}
        self.assertEqual(set(result["samples"]["1M-read-q4"]), everywhere | {"cloning"})
        self.assertEqual(set(result["samples"]["plain-q16"]), everywhere)
        self.assertEqual(set(result["samples"]["sustained-q16"]), {"qsd", "owner", "standby"})
        for figure, found in result["samples"].items():
            for way, values in found.items():
                self.assertEqual(len(values), 1, f"{figure} of {way}")
                least = -1 if figure == "home-q16" else 0  # at once is fine
                self.assertGreater(values[0], least, f"{figure} of {way}")
        self.assertGreater(len(result["goals"]), 14)
        self.assertEqual(set(result["series"]), {"qsd", "owner", "standby"})
        self.assertGreater(max(used for _, used in result["log"]["owner"]), 0)
        self.assertEqual(result["log"]["qsd"], [])

    def test_unknown_row_is_refused(self):
        refused = self.compare("--rows", "copy,explode", check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("explode is none of 4k-read-q1,", refused.stderr)

    def test_drawing_without_gnuplot_is_refused(self):
        refused = self.compare("--ways", "raw", "--plot", self.lab.directory, check=False,
                               env=dict(os.environ, PATH=""))
        self.assertEqual(refused.returncode, 1)
        self.assertEqual(refused.stderr, "compare: gnuplot is missing: install gnuplot-nox, or "
                         "leave out --plot\n")


if __name__ == "__main__":
    lab.main()
