"""What the benchmarks share: fio and what it saw, facts of the machine, and tables."""

import argparse
import json
import os
import pathlib
import random
import re
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
import lab  # noqa: E402

BIN_MS = 10  # of what is drawn over time


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


# ---- fio ----

def fio(*arguments):
    """The jobs of a run by direct I/O, by name, as fio describes them."""
    output = lab.run("fio", "--direct=1", "--ioengine=libaio", "--output-format=json", *arguments,
                     timeout=900).stdout
    jobs = json.loads(output[output.index("{"):])["jobs"]
    for job in jobs:
        assert job["error"] == 0, f"fio {arguments}: {job['error']}"
    return {job["jobname"]: job["read"] if job["read"]["total_ios"] else job["write"]
            for job in jobs}


def fio_for(seconds, path, size, *arguments):
    """One job that reads or writes all over a file for so long."""
    return fio("--name=job", f"--filename={path}", f"--size={size}", "--time_based",
               f"--runtime={int(seconds * 1000)}ms", *arguments)["job"]


class Writes:
    """Writes in the order of their ends: when each ended (ms since the first began), and how long
    it took (us)."""

    def __init__(self, ends_ms, latencies_us):
        self.ends_ms = ends_ms
        self.latencies_us = latencies_us

    def iops(self, first=0, last=None):
        """Of the writes first..last-1."""
        last = len(self.ends_ms) if last is None else last
        begin = self.ends_ms[first - 1] if first else 0
        return (last - first) * 1000 / max(self.ends_ms[last - 1] - begin, 1)

    def latency_us(self, percent):
        return percentile(self.latencies_us, percent)

    def over_time(self):
        """For each BIN_MS: (seconds, writes a second, median and 99th percentile of their us)."""
        bins = {}
        for end_ms, latency_us in zip(self.ends_ms, self.latencies_us):
            bins.setdefault(int(end_ms // BIN_MS), []).append(latency_us)
        # The last one is not full.
        return [(number * BIN_MS / 1000, len(bins.get(number, ())) * 1000 / BIN_MS,
                 *((percentile(bins[number], percent) for percent in (50, 99))
                   if number in bins else (None, None)))
                for number in range(max(bins, default=0))]


def write_each_extent(path, extents, depth, seed, scratch):
    """Writes 4 KiB to each of some extents of a file once, in random order. `seed` also chooses the
    place within the extent."""
    rng = random.Random(seed)
    order = list(extents)
    rng.shuffle(order)
    blocks = lab.EXTENT_BYTES // lab.BLOCK_BYTES
    log, latencies = scratch / "writes", scratch / "latencies"
    with open(log, "w", encoding="ascii") as file:
        file.write(f"fio version 2 iolog\n{path} add\n{path} open\n")
        # fio does not tell of what is under way when the list is over: some more for that.
        for extent in order + order[:depth]:
            offset = extent * lab.EXTENT_BYTES + rng.randrange(blocks) * lab.BLOCK_BYTES
            file.write(f"{path} write {offset} {lab.BLOCK_BYTES}\n")
        file.write(f"{path} close\n")
    fio("--name=job", f"--read_iolog={log}", "--replay_no_stall=1", f"--iodepth={depth}",
        f"--write_lat_log={latencies}")
    ends, times = [], []
    with open(f"{latencies}_lat.1.log", encoding="ascii") as file:
        for line in file:
            end_ms, latency_ns = line.split(",")[:2]
            ends.append(int(end_ms))
            times.append(int(latency_ns) / 1000)
    assert len(ends) >= len(order), f"fio wrote {len(ends)} times, not {len(order)}"
    return Writes(ends[:len(order)], times[:len(order)])


# ---- the machine ----

def written_bytes(pid):
    """What a process has sent to storage."""
    text = pathlib.Path(f"/proc/{pid}/io").read_text(encoding="ascii")
    return int(re.search(r"^write_bytes: (\d+)", text, re.M)[1])


def first_line(*command):
    return lab.run(*command).stdout.strip().splitlines()[0]


def machine(directory):
    """What figures depend on."""
    cpu = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    device, system = first_line("findmnt", "--noheadings", "--output", "SOURCE,FSTYPE",
                                "--target", directory).split()
    return {"processors": os.cpu_count(), "cpu": cpu[1] if cpu else "unknown",
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "device": device, "file_system": system, "kernel": os.uname().release}


def machine_line(facts):
    return (f"{facts['processors']} processors ({facts['cpu']}), {facts['file_system']} on "
            f"{facts['device']}, Linux {facts['kernel']}")


# ---- tables ----

class Table:
    """Rows of text, printed for people or as Markdown."""

    def __init__(self, *head):
        self.rows = [head]

    def add(self, *cells):
        self.rows.append([str(cell) for cell in cells])

    def print(self, markdown=False):
        widths = [max(len(row[column]) for row in self.rows) for column in range(len(self.rows[0]))]
        for number, row in enumerate(self.rows):
            cells = [cell.ljust(width) if column == 0 else cell.rjust(width)
                     for column, (cell, width) in enumerate(zip(row, widths))]
            print("| " + " | ".join(cells) + " |" if markdown else "  ".join(cells).rstrip())
            if number == 0 and markdown:
                print("|---|" + "--:|" * (len(row) - 1))


def verdict(passed):
    return "yes" if passed else "no"


def median(values):
    return statistics.median(values) if values else None


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 10 or isinstance(value, int) else f"{value:.2f}"


def ratio_text(value):
    return "" if value is None else f"{value:.2f}"


def some_of(known):
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {','.join(known)}")
        return [name for name in known if name in names]
    return parse
