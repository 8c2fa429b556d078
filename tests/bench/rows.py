"""What is measured of each way, the figures that come of it, and what must be reached."""

import dataclasses
import threading
import time

import lab
import measure

HOST_IOPS = 200
HOST_TARGET = "5ms"  # --latency-target
HOST_TARGET_US = 5000
HOST_TIMES = 3  # a host is watched for so many times --seconds: few samples make no percentile
REST_SECONDS = 0.5  # a process that writes less than REST_BYTES in that time has brought all home
REST_BYTES = 128 * lab.KIB
REST_TIMEOUT = 120


class Throughput:
    """Reads or writes all over the volume, for some seconds."""

    def __init__(self, name, unit, *arguments):
        self.name = name
        self.unit = unit
        self.arguments = arguments
        self.figures = {name: f"{self.describe()}, {unit}"}

    def describe(self):
        size, kind, depth = self.name.split("-")
        return f"{size} {kind}, {depth}"

    def applies(self, _way):
        return True

    def run(self, way, options):
        with way.measured():
            job = measure.fio_for(options.seconds, way.path, way.size, *self.arguments)
        return {self.name: job["iops"] if self.unit == "IOPS" else job["bw_bytes"] / lab.MIB}


class Extents:
    """4 KiB to each extent once, in random order: without a clone, then the first and the second
    write after T0 while nothing but first writes is preserved."""

    def __init__(self, depth):
        self.depth = depth
        self.name = f"extents-q{depth}"
        self.figures = {}

    def applies(self, way):
        return way.rests

    def write(self, way, options, seed):
        return measure.write_each_extent(way.path, range(self.count(options)), self.depth, seed,
                                         options.scratch)

    def count(self, options):
        return options.extents

    def run(self, way, options):
        found = self.plain(self.write(way, options, seed=1))
        if not way.preserves:
            return found | self.by_hand(way, options)
        way.begin_preserving()
        before = measure.written_bytes(way.pid)
        with way.log_watched() as log:
            first = self.write(way, options, seed=2)
            home_seconds, written = _rest(way.pid)
        second = self.write(way, options, seed=3)
        way.end_preserving()
        return found | {"log": log} | self.preserved(first, second, options) | self.cost(
            home_seconds, written - before, options)

    def by_hand(self, _way, _options):
        return {}

    def cost(self, _home_seconds, _written, _options):
        return {}


class ExtentsAtDepth1(Extents):
    """At depth 1, so many as a log takes at once."""

    def __init__(self):
        super().__init__(1)
        self.figures = {
            "plain-q1": "4k to each extent, no clone, q1, IOPS",
            "first-q1": "first write, q1, IOPS",
            "second-q1": "second write, q1, IOPS",
            "plain-q1-p50": "no clone, q1, p50 us",
            "first-q1-p50": "first write, q1, p50 us",
            "plain-q1-p99": "no clone, q1, p99 us",
            "first-q1-p99": "first write, q1, p99 us",
        }

    def count(self, options):
        return options.burst

    def plain(self, writes):
        return {"plain-q1": writes.iops(), "plain-q1-p50": writes.latency_us(50),
                "plain-q1-p99": writes.latency_us(99)}

    def first(self, writes):
        return {"first-q1": writes.iops(), "first-q1-p50": writes.latency_us(50),
                "first-q1-p99": writes.latency_us(99)}

    def preserved(self, first, second, _options):
        return self.first(first) | {"second-q1": second.iops()}

    def by_hand(self, way, options):
        """The plain file cannot preserve, but shows what the steps of it cost."""
        if not hasattr(way, "preserve_by_hand"):
            return {}
        return self.first(way.preserve_by_hand(self.count(options)))


class ExtentsAtDepth16(Extents):
    """At depth 16: a burst, which a log takes, and what comes when it is full: the last half."""

    def __init__(self):
        super().__init__(16)
        self.figures = {
            "plain-q16": "4k to each extent, no clone, q16, IOPS",
            "burst-q16": "first writes, burst, q16, IOPS",
            "sustained-q16": "first writes, sustained, q16, IOPS",
            "second-q16": "second write, q16, IOPS",
            "first-q16-p50": "first writes, q16, p50 us",
            "first-q16-p99": "first writes, q16, p99 us",
            "home-q16": "first writes, all in place after, s",
            "written": "bytes written for a byte preserved",
        }

    def plain(self, writes):
        return {"plain-q16": writes.iops()}

    def preserved(self, first, second, options):
        return {"burst-q16": first.iops(0, options.burst),
                "sustained-q16": first.iops(max(options.burst, options.extents // 2)),
                "second-q16": second.iops(),
                "first-q16-p50": first.latency_us(50), "first-q16-p99": first.latency_us(99),
                "series": first.over_time()}

    def cost(self, home_seconds, written, options):
        own = options.extents * lab.BLOCK_BYTES
        return {"home-q16": home_seconds,
                "written": (written - own) / (options.extents * lab.EXTENT_BYTES)}


def _rest(pid):
    """Waits until a process has brought all to its place. Returns (seconds until then, bytes that
    it has written)."""
    begin = time.monotonic()
    rest, written = begin, measure.written_bytes(pid)
    while time.monotonic() < rest + REST_SECONDS:
        time.sleep(0.02)
        now = measure.written_bytes(pid)
        if now - written >= REST_BYTES:
            rest, written = time.monotonic(), now
        assert rest < begin + REST_TIMEOUT, "it writes and writes"
    return rest - begin, measure.written_bytes(pid)


class Copy:
    """All of the volume to a new one, nothing else running."""

    name = "copy"
    figures = {"copy": "full copy, MiB/s"}

    def applies(self, way):
        return way.copies

    def run(self, way, _options):
        return {"copy": way.size / lab.MIB / way.copy_seconds()}


class Host:
    """Few reads and writes, at rest and while full copies are made one after the other, where that
    is possible also with a target."""

    name = "host"
    figures = {
        "host-read-idle": f"{HOST_IOPS} reads a second, at rest, p99 us",
        "host-read-copying": f"{HOST_IOPS} reads a second, while copying, p99 us",
        "host-write-idle": f"{HOST_IOPS} writes a second, at rest, p99 us",
        "host-write-copying": f"{HOST_IOPS} writes a second, while copying, p99 us",
        "host-copying": "full copies beside them, MiB/s",
        "host-read-target": f"{HOST_IOPS} reads a second, with a target of {HOST_TARGET}, p99 us",
        "host-write-target": f"{HOST_IOPS} writes a second, with a target of {HOST_TARGET}, p99 us",
        "host-target": f"full copies beside them, with a target of {HOST_TARGET}, MiB/s",
    }

    def applies(self, way):
        return way.copies

    def run(self, way, options):
        found = self.watch(way, options, "idle") | self.watch_copies(way, options, "copying", {})
        if way.has_targets:
            found |= self.watch_copies(way, options, "target", {"latency_target": HOST_TARGET})
        return found

    def watch_copies(self, way, options, name, copy_options):
        copies = Copies(way, copy_options)
        try:
            found = self.watch(way, options, name)
        finally:
            copies.stop()
        return found | ({f"host-{name}": copies.mib_per_second} if way.has_targets else {})

    def watch(self, way, options, name):
        jobs = measure.fio(
            f"--filename={way.path}", f"--size={way.size}", "--bs=4k", "--iodepth=1",
            f"--rate_iops={HOST_IOPS}", "--time_based",
            f"--runtime={int(HOST_TIMES * options.seconds * 1000)}ms",
            "--name=read", "--rw=randread", "--name=write", "--rw=randwrite")
        return {f"host-{kind}-{name}": job["clat_ns"]["percentile"]["99.000000"] / 1000
                for kind, job in jobs.items()}


class Copies:
    """Full copies, one after the other, until stop(). The last one may be over later."""

    def __init__(self, way, options):
        self._way = way
        self._options = options
        self._made = 0
        self._begin = time.monotonic()
        self.mib_per_second = None  # from the begin to stop()
        self._stopping = False
        self._fault = None
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._thread.start()

    def _main(self):
        try:
            while not self._stopping:
                self._way.copy_seconds(**self._options)
                self._made += 1
        except BaseException as fault:  # pylint: disable=broad-except
            self._fault = fault

    def stop(self):
        self._stopping = True
        copies = self._made + self._way.copied_share()
        self.mib_per_second = (copies * self._way.size / lab.MIB /
                               (time.monotonic() - self._begin))
        self._thread.join(600)
        if self._fault:
            raise self._fault

def _throughput():
    for kind in ("read", "write"):
        for depth in (1, 16):
            yield Throughput(f"4k-{kind}-q{depth}", "IOPS", f"--rw=rand{kind}", "--bs=4k",
                             f"--iodepth={depth}")
    for kind in ("read", "write"):
        yield Throughput(f"1M-{kind}-q4", "MiB/s", f"--rw={kind}", "--bs=1M", "--iodepth=4")


ROWS = {row.name: row for row in (*_throughput(), ExtentsAtDepth1(), ExtentsAtDepth16(), Copy(),
                                  Host())}


@dataclasses.dataclass
class Goal:
    """One figure, or its ratio to another one, is at least or at most a number."""

    what: str
    figure: str
    way: str
    relation: str  # >=, <=, <
    bound: float
    other_figure: str = ""
    other_way: str = ""

    def ratios(self, samples):
        """Of each round, or None if this was not measured."""
        found = samples.get(self.figure, {}).get(self.way)
        if not self.other_figure:
            return found
        others = samples.get(self.other_figure, {}).get(self.other_way)
        if not found or not others:
            return None
        return [value / other for value, other in zip(found, others)]

    def must_be(self):
        return f"{self.relation} {self.bound:g}"

    def reached(self, ratio):
        return {">=": ratio >= self.bound, "<=": ratio <= self.bound,
                "<": ratio < self.bound}[self.relation]


def _of(what, figure, way, relation, bound, other_figure=None, other_way=None):
    return Goal(what, figure, way, relation, bound, other_figure or figure, other_way or way)


GOALS = [
    *(_of(f"{name}: owner / raw", name, "owner", ">=", bound, other_way="raw")
      for name, bound in (("4k-read-q16", 0.35), ("4k-write-q16", 0.35),
                          ("1M-read-q4", 0.6), ("1M-write-q4", 0.6))),
    *(_of(f"{size}-{kind}-q{depth}: standby / owner", f"{size}-{kind}-q{depth}", "standby", ">=",
          bound, other_way="owner")
      for size, depth, bound in (("4k", 1, 0.5), ("4k", 16, 0.6), ("1M", 4, 0.7))
      for kind in ("read", "write")),
    _of("first write, q1 / no clone", "first-q1", "owner", ">=", 0.85, "plain-q1"),
    _of("first write, q1, p99 / no clone", "first-q1-p99", "owner", "<=", 2, "plain-q1-p99"),
    _of("first writes, burst, q16 / no clone", "burst-q16", "owner", ">=", 0.7, "plain-q16"),
    _of("first writes, sustained, q16: owner / qsd", "sustained-q16", "owner", ">=", 2,
        other_way="qsd"),
    _of("second write, q1 / no clone", "second-q1", "owner", ">=", 0.95, "plain-q1"),
    _of("second write, q16 / no clone", "second-q16", "owner", ">=", 0.95, "plain-q16"),
    Goal("bytes written for a byte preserved", "written", "owner", "<", 1.3),
    _of("full copy: owner / raw (dd)", "copy", "owner", ">=", 1.0, other_way="raw"),
    _of("full copy: owner / qsd", "copy", "owner", ">=", 1.2, other_way="qsd"),
    _of("host's reads, p99, while copying / at rest", "host-read-copying", "owner", "<=", 3,
        "host-read-idle"),
    _of("host's writes, p99, while copying / at rest", "host-write-copying", "owner", "<=", 3,
        "host-write-idle"),
    *(Goal(f"host's {kind}s, p99 us, with a target of {HOST_TARGET}", f"host-{kind}-target", "owner",
           "<=", HOST_TARGET_US) for kind in ("read", "write")),
]
