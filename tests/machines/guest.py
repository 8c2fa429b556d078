"""A virtual machine with a Debian of its own: power, cables, and commands in it."""

import json
import os
import pathlib
import socket
import subprocess
import threading
import time

import lab
import network
import nodes

HERE = pathlib.Path(__file__).resolve().parent
MEMORY_MIB = 640
BOOT_SECONDS = 600
PROBE_SECONDS = 20
HISTORIES = 2
SAID_CHARACTERS = 3000  # of a command that failed
ROOT = "root=/dev/vda rw console=ttyS0 quiet mitigations=off net.ifnames=0 panic=-1"


class Gone(Exception):
    """The guest is off, or its agent has ended, before there was an outcome."""


class Failed(AssertionError):
    """A command in a guest."""


def accelerator(kernel):
    """The processor's own virtualisation where it works: a kernel without a root says hello and ends
    its machine. Otherwise emulation. Only a boot shows it: there are machines that can be opened and
    do not run."""
    command = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-M", "q35", "-m", "256",
               "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", kernel,
               "-append", "console=ttyS0 panic=-1"]
    try:
        done = lab.run(*command, check=False, timeout=PROBE_SECONDS)
        return "kvm" if "Linux version" in done.stdout and done.returncode == 0 else "tcg"
    except subprocess.TimeoutExpired:
        return "tcg"


class Image:
    """The disk that guests of a release begin with, with its kernel."""

    def __init__(self, suite, packages):
        made = subprocess.run([HERE / "image", suite, *packages], stdout=subprocess.PIPE, text=True,
                              check=False)
        if made.returncode:
            raise SystemExit(made.returncode)
        directory = pathlib.Path(made.stdout.strip())
        self.disk, self.kernel, self.initrd = (directory / name for name in ("disk", "kernel", "initrd"))
        self.accelerator = accelerator(self.kernel)


class Agent:
    """The other end of agent.py. Commands may run beside each other."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._changed = threading.Condition()
        self._outcomes = {}
        self._last = 0
        self._open = True
        self.boots = []  # as it says hello
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with self._socket.makefile("rb") as lines:
            for line in lines:
                self._take(line)
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def _take(self, line):
        try:
            message = json.loads(line)
        except ValueError:  # a line that a reset cut off
            return
        with self._changed:
            if "boot" in message:
                self.boots.append(message["boot"])
            else:
                self._outcomes[message["id"]] = message
            self._changed.notify_all()

    def await_boot(self, boots, timeout):
        """Until it has said hello more than `boots` times."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.boots) > boots or not self._open, timeout):
                raise AssertionError(f"the guest does not boot within {timeout} s")
            if not self._open:
                raise Gone("the guest ended at its boot")

    def run(self, argv, timeout):
        with self._changed:
            self._last += 1
            number, boots = self._last, len(self.boots)
        line = json.dumps({"id": number, "argv": argv, "timeout": timeout}) + "\n"
        try:
            self._socket.sendall(line.encode())
        except OSError:
            raise Gone("the guest is off") from None
        with self._changed:
            done = self._changed.wait_for(lambda: number in self._outcomes or not self._open
                                          or len(self.boots) != boots, timeout + 30)
            if number in self._outcomes:
                return self._outcomes.pop(number)
        raise Gone(f"{argv}: " + ("the guest was reset" if done else "no answer"))

    def close(self):
        self._socket.close()


class Monitor:
    """QEMU's own console: a command a connection."""

    def __init__(self, path):
        self._path = str(path)

    def tell(self, command, **arguments):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(self._path)
            with connection.makefile("rw") as lines:
                lines.readline()
                for name, words in (("qmp_capabilities", {}), (command, arguments)):
                    lines.write(json.dumps({"execute": name, "arguments": words}) + "\n")
                    lines.flush()
                    answer = {}
                    while not {"return", "error"} & answer.keys():
                        answer = json.loads(lines.readline())
                    assert "return" in answer, answer


class Guest:
    """Off until start(), and after power_off()."""

    def __init__(self, lab_, network_, image, name, number, payload, disk=None):
        """`payload` is a disk that it can read; `disk` the path of one of its own."""
        self.lab = lab_
        self.name = name
        self.number = number
        self.image = image
        self.directory = lab_.make_directory(f"guest-{name}")
        self.console = self.directory / "console"
        self._network = network_
        self._disks = [f"file={self.directory / 'disk'},format=qcow2"]
        self._disks.append(f"file={payload},format=raw,readonly=on")
        if disk:
            self._disks.append(f"file={disk},format=raw,cache=unsafe")
        self._process = self._agent = None
        self.monitor = Monitor(self.directory / "monitor")
        lab.run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image.disk,
                self.directory / "disk")
        for switch in network.SUBNETS:
            network_.add_cable(switch, f"{name}-{switch}"[:15])
        lab_.on_close(self.power_off)

    def address(self, switch):
        return f"{network.SUBNETS[switch]}.{self.number}"

    def history(self, index):
        """What was written to its port historyN, whatever happened to the guest since."""
        return self.directory / f"history{index}"

    # ---- power ----

    def _command(self):
        processor = "host" if self.image.accelerator == "kvm" else "max,la57=off"
        words = ["qemu-system-x86_64", "-name", self.name, "-accel", self.image.accelerator, "-cpu",
                 processor, "-M", "q35", "-smp", "1", "-m", str(MEMORY_MIB), "-nodefaults",
                 "-display", "none", "-chardev", f"file,id=console,path={self.console},append=on",
                 "-serial", "chardev:console", "-device", "virtio-serial-pci", "-device",
                 "virtio-rng-pci", "-qmp", f"unix:{self.directory}/monitor,server=on,wait=off",
                 "-chardev", f"socket,id=agent,path={self.directory}/agent,server=on,wait=off",
                 "-device", "virtserialport,chardev=agent,name=agent"]
        for index in range(HISTORIES):
            words += ["-chardev", f"file,id=history{index},path={self.history(index)},append=on",
                      "-device", f"virtserialport,chardev=history{index},name=history{index}"]
        for index, switch in enumerate(network.SUBNETS):
            cable = f"{self.name}-{switch}"[:15]
            words += ["-netdev", f"tap,id={switch},ifname={cable},script=no,downscript=no,vhost=off",
                      "-device", f"virtio-net-pci,id=card-{switch},netdev={switch},"
                      f"mac=52:54:00:77:{index:02x}:{self.number:02x},romfile="]
        for disk in self._disks:
            words += ["-drive", f"{disk},if=virtio"]
        return [*words, "-kernel", str(self.image.kernel), "-initrd", str(self.image.initrd),
                "-append", ROOT]

    def start(self):
        assert not self.is_on(), f"{self.name} is on"
        self.power_off()  # it may have ended by itself
        for name in ("agent", "monitor"):
            (self.directory / name).unlink(missing_ok=True)
        with open(self.directory / "qemu.log", "ab") as log:
            self._process = nodes.lab_process(self._network.inside(*self._command()), stdout=log,
                                              stderr=log)
        lab.wait_until(lambda: (self.directory / "agent").exists() or not self.is_on(), what="QEMU")
        if not self.is_on():
            raise AssertionError((self.directory / "qemu.log").read_text())
        self._agent = Agent(self.directory / "agent")

    def await_boot(self, boots=0, timeout=BOOT_SECONDS):
        self._agent.await_boot(boots, timeout)

    def is_on(self):
        return self._process is not None and self._process.poll() is None

    def power_off(self):
        """Loss of power: whatever it had not sent is gone."""
        if self._process is not None:
            lab.end_process(self._process)
            self._process = None
        if self._agent is not None:
            self._agent.close()
            self._agent = None

    def reboot(self):
        """In good order."""
        boots = len(self._agent.boots)
        self.start_command("systemctl", "reboot")
        self.await_boot(boots)

    def pause(self):
        self.monitor.tell("stop")

    def resume(self):
        self.monitor.tell("cont")

    # ---- cables ----

    def cut(self, switch):
        self.monitor.tell("set_link", name=f"card-{switch}", up=False)

    def heal(self, switch):
        self.monitor.tell("set_link", name=f"card-{switch}", up=True)

    # ---- commands ----

    def run(self, *argv, check=True, timeout=120):
        """One word is a line of the shell. Returns its outcome: status, out, err."""
        argv = ["sh", "-c", argv[0]] if len(argv) == 1 else [str(word) for word in argv]
        if self._agent is None:
            raise Gone(f"{self.name} is off")
        done = self._agent.run(argv, timeout)
        if check and done["status"] != 0:
            said = (done["out"] + done["err"])[-SAID_CHARACTERS:]
            raise Failed(f"{self.name}: {' '.join(argv)}: {done['status']}\n{said}")
        return done

    def said(self, *argv, timeout=120):
        return self.run(*argv, timeout=timeout)["out"].strip()

    def start_command(self, *argv):
        """One whose outcome nobody waits for."""
        def run():
            try:
                self.run(*argv, check=False)
            except Gone:
                pass
        threading.Thread(target=run, daemon=True).start()

    def write(self, path, text):
        self.run("sh", "-c", 'mkdir -p "$(dirname "$2")"; printf %s "$1" >"$2"', "sh", text, path)

    def clock_offset(self):
        """Seconds by which its clock is ahead of this machine's."""
        before = time.time()
        said = float(self.said("date", "+%s.%N"))
        return said - (before + time.time()) / 2


def make_payload(lab_, name, files):
    """A disk with these files; guests read it at /payload, packages in a folder of their own."""
    folder = lab_.make_directory(f"payload-{name}")
    (folder / "packages").mkdir()
    for file in files:
        lab.run("cp", file, folder / "packages" if str(file).endswith(".deb") else folder)
    disk = lab_.directory / f"{name}.payload"
    size = sum(os.stat(file).st_size for file in files) // lab.MIB + 16
    lab.run("truncate", f"--size={size}M", disk)
    lab.run("mkfs.ext4", "-q", "-F", "-m", "0", "-d", folder, disk)
    return disk
