"""Virtual machines that share a pool over NFS: packaging/demos/vm, as a test uses it."""

import json
import os
import shutil

import lab

HERE = lab.SOURCE / "packaging" / "demos" / "vm"
IMAGE = lab.BUILD / "vm-image"
PROGRAMS = ("batond", "baton", "verifying_host")
START_SECONDS = 120
GONE = 125  # vm-exec: there is no such guest
# A guest is emulated: a program that is read for the first time takes seconds to start.
LIVENESS_SECONDS = 60


def missing():
    """Why there can be no virtual machines here, or None."""
    for program, package in (("qemu-system-x86_64", "qemu-system-x86"),
                             ("ganesha.nfsd", "nfs-ganesha"), ("busybox", "busybox-static")):
        if shutil.which(program) is None:
            return f"{package} is not installed: see packaging/packages-vm.txt"
    return None


class Guests:
    """Guests 1 and 2, called a and b, each with a batond in it; `work` is /baton in both."""

    numbers = {"a": 1, "b": 2}

    def __init__(self, lab_):
        self.directory = lab_.directory
        self.work = lab_.make_directory("work")
        self.shared = lab_.make_directory("shared")
        (self.work / "bin").mkdir()
        for program in PROGRAMS:
            lab.run("strip", "-o", self.work / "bin" / program, lab.BUILD / program)
        lab.run(HERE / "make-image", IMAGE, timeout=120)
        lab_.on_close(self._vms, "down")

    def _vms(self, *words, check=True, timeout=120, port="a0"):
        environment = dict(os.environ, VM_DIR=str(self.directory), VM_IMAGE=str(IMAGE),
                           VM_PORT=port)
        return lab.run(HERE / "vms", *words, check=check, timeout=timeout, env=environment)

    def up(self, *names):
        self._vms("up", *(self.numbers[name] for name in names))

    def is_off(self, name):
        return self._vms("exec", self.numbers[name], "true", 10, check=False).returncode == GONE

    def power_off(self, name):
        self._vms("kill", self.numbers[name])

    def run(self, name, command, timeout=60, check=True, port="a0"):
        """A shell command in a guest. Returns its output."""
        result = self._vms("exec", self.numbers[name], f"cd /baton; {command}", timeout,
                           check=False, timeout=timeout + 10, port=port)
        if check and result.returncode != 0:
            raise AssertionError(f"guest {name}: {command}: exit {result.returncode}\n"
                                 f"{result.stdout}{result.stderr}")
        return result.stdout

    # ---- Baton in them ----

    def make_keys(self):
        lines = []
        for name in self.numbers:
            lab.run(lab.BUILD / "baton", "keygen", "--out", self.work / f"key-{name}", "--node", name)
            lines.append((self.work / f"key-{name}.pub").read_text())
        (self.work / "allowed").write_text("".join(lines))

    def start_controllers(self, *names, settings=""):
        """`settings` are a configuration file's, beside what is typed."""
        (self.work / "settings.toml").write_text(settings)
        for name in names:
            other = next(other for other in self.numbers if other != name)
            address = {key: f"tcp://10.77.0.{number}:7400" for key, number in self.numbers.items()}
            # Keys of root alone: not on the share, whose owner is somebody else.
            self.run(name, f"cp key-{name} /run/key; chmod 600 /run/key; mkdir -p /run/mount; "
                     f"(batond --pool /pool/pool --node {name} --mount /run/mount "
                     f"--control /run/control --listen {address[name]} "
                     f"--peer {other}={address[other]} --key /run/key --allowed-keys allowed "
                     "--config settings.toml "
                     f"--liveness-timeout {LIVENESS_SECONDS} >log-{name} 2>&1 &)")
        for name in names:
            lab.wait_until(lambda n=name: "\nready\n" in self.log(n), timeout=START_SECONDS,
                           every=0.2, what=f"a controller in guest {name}")

    def log(self, name):
        path = self.work / f"log-{name}"
        return "\n" + (path.read_text(errors="replace") if path.exists() else "")

    def baton(self, name, *words, timeout=60, port="a0"):
        return self.run(name, f"baton --control /run/control {' '.join(map(str, words))}",
                        timeout=timeout, port=port)

    def json(self, name, *words):
        """Also of a `status` that says degraded."""
        text = self.run(name, f"baton --control /run/control --json {' '.join(map(str, words))}",
                        check=False)
        return json.loads(text)

    def start_host(self, name, volume, history, writer, pause_us):
        """A verifying host; what it saw comes to host-NAME when it ends."""
        self.run(name, f"(verifying_host run /run/mount/{volume} {history.path.name} {writer} 1 "
                 f"{pause_us} 0 >host-{name} 2>&1 &)")
        lab.wait_until(lambda: "ready" in (self.work / f"host-{name}").read_text(), every=0.1,
                       what=f"a host in guest {name}")

    def stop_host(self, name):
        self.run(name, "killall verifying_host; while pidof verifying_host; do sleep 0.1; done")
        return json.loads((self.work / f"host-{name}").read_text().splitlines()[-1])
