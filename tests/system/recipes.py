"""The recipes of docs/recipes.md, and machines on which they are typed as they stand there.

A block of the page that begins with ```sh NAME is a piece of a recipe. It is typed into the shell of
a machine, where the paths and addresses of the page are those of the page.
"""

import pathlib
import re
import shutil
import subprocess

import lab
import nodes
import pair

PAGE = lab.SOURCE / "docs" / "recipes.md"
PATH = f"{lab.BUILD}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FENCE = re.compile(r"^```(\S*) ?(.*)\n((?:.*\n)*?)```$", re.M)


def fences():
    """What stands behind ``` of each block of the page, as (language, name, text)."""
    return [found.groups() for found in _FENCE.finditer(PAGE.read_text())]


def text_of(name):
    found = [text for language, other, text in fences() if (language, other) == ("sh", name)]
    assert len(found) == 1, f"{PAGE.name} has {len(found)} blocks {name}"
    return found[0]


class Machine(nodes.Node):
    """A node whose shell may write where recipes do. /mnt, /srv, /run and /var/lib/nfs are empty at first, with the
    pool in /srv/pool; of /etc and some others it has a copy of its own."""

    ADDRESSES = {"left": "10.0.0.1", "right": "10.0.0.2", "client": "10.0.0.9"}
    COPIED = ("/etc", "/root", "/var/lib", "/var/log", "/var/cache")
    EMPTY = ("/mnt", "/srv", "/run", "/var/lib/nfs")

    def boot(self):
        self.address = self.ADDRESSES[self.name]
        super().boot()
        self.files = self.lab.directory / f"machine-{self.name}"
        shutil.rmtree(self.files / "run", ignore_errors=True)
        for path in self.COPIED:
            layers = {name: self._make(path, name) for name in ("upper", "work")}
            options = ",".join(f"{name}dir={path}" for name, path in {"lower": path, **layers}.items())
            self._mount("-t", "overlay", "-o", options, "overlay", path)
        for path in self.EMPTY:
            self._mount("--bind", self._make(path), path)
        for path in ("/mnt/volumes", "/srv/pool", "/run/lock", "/run/baton"):
            self._make(path)
        # As packages do at boot.
        shutil.chown(self._make("/run/postgresql"), "postgres", "postgres")
        pool = self.lab.directory / "pool"
        if pool.exists():
            self._mount("--bind", pool, "/srv/pool")

    def _make(self, path, *more):
        directory = self.files.joinpath(path.lstrip("/"), *more)
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def _mount(self, *words):
        lab.run("nsenter", f"--mount=/proc/{self.pid}/ns/mnt", "mount", *words)

    def shell(self, text):
        """The command line that types `text` into a shell of this machine."""
        return self.inside("env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "bash", "-euxo",
                           "pipefail", "-c", text)

    def sh(self, text, timeout=120):
        """Returns what it prints. Programs that it leaves in the background stay."""
        files = [self.lab.directory / f"typed-{self.name}.{kind}" for kind in ("out", "err")]
        with open(files[0], "w", encoding="utf-8") as out, open(files[1], "w", encoding="utf-8") as err:
            result = subprocess.run(self.shell(text), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                    timeout=timeout, check=False)
        printed, errors = [file.read_text(errors="replace") for file in files]
        if result.returncode != 0:
            raise AssertionError(f"on {self.name}: exit {result.returncode}\n{printed}{errors}")
        return printed

    def type(self, name, timeout=120):
        """The block NAME of the page. Returns what it prints."""
        return self.sh(text_of(name), timeout)


class Machines(pair.NodePair):
    """Two machines with a pair of controllers, and the pool in /srv/pool."""

    names = ("left", "right")
    node_type = Machine

    def __init__(self, lab_, start=True):
        super().__init__(lab_)
        self.left, self.right = (self.nodes[name] for name in self.names)
        for name, controller in self.controllers.items():
            controller.mount = pathlib.Path("/mnt/volumes")
            controller.control = self.nodes[name].files / "run/baton/control.sock"
        for name in self.names if start else ():
            self.start(name)

    def add_client(self):
        """A machine without a controller."""
        return Machine(self.lab, self.network, "client")

    def change_owners(self):
        """A handover, then a crash of the owner's controller. The pool is left's again."""
        try:
            self["left"].run("failover", "--to", "right")
            self.wait_owner("right")
            self["right"].kill_controller()
            self.wait_owner("left")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()}") from None
