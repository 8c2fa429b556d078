"""Hosts in guests, and the model of what they wrote. A host tells each write by a port of its machine,
so what was acknowledged is known after the machine has lost its power."""

import dataclasses
import sys

import lab

sys.path.insert(0, str(lab.SOURCE / "tests" / "packages"))
import host as program  # noqa: E402  the same file that runs in guests

PROGRAM = lab.SOURCE / "tests" / "packages" / "host.py"
VOLUME_BYTES = 16 * lab.MIB
WRITTEN_BYTES = program.BLOCK * program.BLOCKS  # at the beginning of the volume


class Damage(AssertionError):
    """A volume does not hold what it must."""


@dataclasses.dataclass
class Write:
    count: int
    begun: float  # by the machine's own clock
    wall: float
    done: float | None = None


class History:
    """All writes to one volume, by number. One host at a time writes to it."""

    def __init__(self):
        self.writes = []

    def read(self, path, run):
        """Adds what a port has said beyond what was read before. `run` counts the machine's boots."""
        text = path.read_bytes() if path.exists() else b""
        end = text.rfind(b"\n") + 1
        lines = text[run.position:end].decode(errors="replace").splitlines()
        run.position = end
        for line in lines:
            what, count, clock, wall = line.split()
            if what == "begun":
                assert not self.writes or int(count) > self.writes[-1].count, line
                self.writes.append(Write(int(count), float(clock), float(wall)))
            else:
                assert self.writes[-1].count == int(count), line
                self.writes[-1].done = float(clock)

    def next(self):
        return self.writes[-1].count + 1 if self.writes else 0

    def acknowledged(self):
        """The number behind the last write that was."""
        return max((write.count + 1 for write in self.writes if write.done), default=0)

    def allowed(self, limit):
        """What each block may hold when the writes below `limit` have begun: the last one that was
        acknowledged, or one that was not since."""
        found = [{"never"} for _ in range(program.BLOCKS)]
        for write in self.writes:
            if write.count >= limit:
                break
            place = write.count % program.BLOCKS
            if write.done:
                found[place] = {str(write.count)}
            else:
                found[place].add(str(write.count))
        return found

    def check_present(self, shown):
        """No acknowledged write is lost, and nothing older or foreign is there."""
        self._check(shown, self.next())

    def check_instant(self, shown, before, after):
        """It is the volume when the first N writes had been made, for one N of [before, after]."""
        for limit in range(after, before - 1, -1):
            if not self._differences(shown, limit):
                return limit
        raise Damage(f"no instant of writes {before} to {after}: {self._differences(shown, after)[:5]}")

    def _differences(self, shown, limit):
        return [f"block {place} has {has}, not {sorted(may)}"
                for place, (has, may) in enumerate(zip(shown, self.allowed(limit), strict=True))
                if has not in may]

    def _check(self, shown, limit):
        found = self._differences(shown, limit)
        if found:
            raise Damage(f"{len(found)} blocks: {found[:5]}")

    def longest_stall(self, first=0):
        """(seconds, wall clock at which it began): between two writes that were acknowledged, the
        second one number `first` or later. What was read and checked in between counts, too."""
        done = [write for write in self.writes if write.done and write.count >= first - 1]
        waits = [(after.done - before.done, before.wall) for before, after in zip(done, done[1:])]
        return max(waits, default=(0.0, 0.0))


class Host:
    """Writes to a volume in a guest, until stop(). `index` is that of the port."""

    def __init__(self, guest, mount, volume, index=0):
        self.guest = guest
        self.volume = volume
        self.path = f"{mount}/{volume}"
        self.history = History()
        port = guest.history(index)
        self.position = port.stat().st_size if port.exists() else 0  # hosts before this one
        self._index = index
        self._unit = f"host{index}"
        self._report = f"/run/{self._unit}"

    def start(self, *properties):
        self.look()
        words = [word for each in properties for word in ("--property", each)]
        self.guest.run("systemctl", "reset-failed", self._unit, check=False)
        self.guest.run("systemd-run", "--quiet", "--unit", self._unit, *words, "python3",
                       "/payload/host.py", self.path, self._report,
                       f"/dev/virtio-ports/history{self._index}", self.history.next())
        self.await_progress()

    def look(self):
        self.history.read(self.guest.history(self._index), self)
        return self.history

    def await_progress(self, timeout=120):
        """It writes; what began before this call does not count."""
        first = self.look().next() + 2
        lab.wait_until(lambda: self.look().acknowledged() > first or self._has_ended(), timeout=timeout,
                       every=0.1, what=f"a write of the host of {self.volume} in {self.guest.name}")
        self.check()

    def _has_ended(self):
        return self.guest.run("systemctl", "is-active", self._unit, check=False)["out"].strip() != "active"

    def check(self):
        """It runs, so nothing has failed."""
        if self._has_ended():
            raise Damage(f"the host of {self.volume} in {self.guest.name} has ended:\n"
                         + self.guest.said("journalctl", "--no-pager", "--lines", "20", "--unit", self._unit))

    def stop(self):
        self.guest.run("systemctl", "stop", self._unit)
        self.guest.run("test", "-e", self._report + ".done")
        self.look()

    def shown(self, guest, path):
        """Which write each block of a file holds, as another guest may see it, too."""
        return guest.said("python3", "/payload/host.py", "--show", path).splitlines()
