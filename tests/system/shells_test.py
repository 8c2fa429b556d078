#!/usr/bin/python3
"""What a person at a terminal has: completion in bash, zsh and fish, help, colours, a watch."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import lab
from lab import MIB, SystemTest
from pair import LocalPair

COMPLETION = lab.SOURCE / "packaging" / "completion"


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *command, env=None, rows=24):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], list(map(str, command)), dict(os.environ, TERM="xterm", **(env or {})))
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 200, 0, 0))
        self.text = ""

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait_for(self, pattern, timeout=20):
        end = time.monotonic() + timeout
        while not re.search(pattern, self.text):
            if time.monotonic() > end:
                raise AssertionError(f"{pattern!r} is not shown:\n{self.text!r}")
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    break
        assert re.search(pattern, self.text), self.text

    def end(self, number=signal.SIGKILL):
        os.kill(self.pid, number)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


class Prepared(SystemTest):
    def setUp(self):
        super().setUp()
        self.pair = LocalPair(self.lab)
        self.pair.start()
        self.controller = self.pair.owner()
        for name in ("disk", "data", "copy"):
            self.controller.create_volume(name, MIB)
        self.clone = self.controller.create_clone("disk", "copy")
        self.env = {"BATON_CONTROL": str(self.controller.control), "PATH": f"{lab.BUILD}:{os.environ['PATH']}"}

    def complete(self, *words, control=None):
        """What the program itself says."""
        env = {**os.environ, **self.env, **({"BATON_CONTROL": str(control)} if control else {})}
        return lab.run(lab.BUILD / "baton", "__complete", *words, env=env, timeout=10).stdout.splitlines()

    def words(self, *words, **options):
        return [line.split("\t")[0] for line in self.complete(*words, **options)]

    CASES = (("volume sh", ["show"]),
             ("volume show d", ["data", "disk"]),
             ("clone run disk c", ["copy"]),
             ("clone status c", ["copy"]),
             ("clone create disk copy --on-error ", ["fail-clone", "fail-write"]),
             ("clone create disk copy --no", ["--no-digests"]),
             ("--json fail", ["failover"]),
             ("failover --to ", ["a", "b"]),
             ("node evict ", ["a", "b"]),
             ("volume rename disk x", []))


class Program(Prepared):
    def test_says_what_may_follow(self):
        for line, expected in self.CASES:
            with self.subTest(line=line):
                self.assertEqual(sorted(self.words(*line.split(" "))), expected)
        self.assertEqual(self.words("volume", "import", "new", ""), [":files"])
        self.assertEqual(self.words("pool", "drain", ""), [":directories"])
        self.assertEqual(self.words("clone", "create", "disk", "copy", "--on-error=fail-w"), ["--on-error=fail-write"])
        self.assertEqual(self.words("failover", "--to", "=", "b"), ["b"])
        self.assertEqual(self.words("failover", "--to", "="), ["a", "b"])
        self.assertIn("exit-codes", self.words("help", ""))
        self.assertEqual(self.words("help", "clone", "cr"), ["create"])
        self.assertEqual(self.words("--control", self.controller.control, "volume", "show", "da", control="/none"),
                         ["data"])

    def test_knows_every_argument_that_can_be_completed(self):
        """An argument that names a volume, a clone or a node, and would not be completed."""
        manual = lab.run(lab.BUILD / "baton", "--print-manual").stdout
        commands = re.findall(r"^## baton (.*)\n\n(.*)$", manual, flags=re.M)
        self.assertGreater(len(commands), 30)
        for command, synopsis in commands:
            argument = re.search(r" _(SRC|ID|NODE|OLD|NAME)_", synopsis)
            if argument is None or command in ("volume create", "volume import", "volume adopt"):
                continue
            with self.subTest(command=command):
                self.assertTrue(self.words(*command.split(), ""), "nothing is offered")

    def test_is_silent_and_quick_without_an_answer(self):
        controller = lab.Process(self.controller.controller_pid())
        self.addCleanup(controller.close)
        self.addCleanup(controller.signal, signal.SIGCONT)
        controller.signal(signal.SIGSTOP)
        for control in ("/none", self.controller.control, self.lab.directory):
            begun = time.monotonic()
            self.assertEqual(self.words("volume", "show", "", control=control), [])
            self.assertLess(time.monotonic() - begun, 3)


class Shells(Prepared):
    def test_bash(self):
        for line, expected in self.CASES:
            words = ["baton", *line.split(" ")]
            script = (f"source {COMPLETION}/baton.bash; COMP_WORDS=({' '.join(map(repr, words))}); "
                      f"COMP_CWORD={len(words) - 1}; _baton; [[ ${{#COMPREPLY[@]}} = 0 ]] || "
                      f"printf '%s\\n' \"${{COMPREPLY[@]}}\"")
            shown = lab.run("bash", "--norc", "-c", script, env=dict(os.environ, **self.env)).stdout
            with self.subTest(line=line):
                self.assertEqual(sorted(shown.split()), expected)

    def test_bash_at_a_prompt(self):
        terminal = Terminal("bash", "--norc", "--noprofile", "-i", env={**self.env, "PS1": "> "})
        self.addCleanup(terminal.end)
        terminal.type(f"source /usr/share/bash-completion/bash_completion; source {COMPLETION}/baton.bash; echo re''ady\n")
        terminal.wait_for("ready")
        terminal.type("baton volume show da\t")
        terminal.wait_for("baton volume show data ")
        terminal.type(f"\x15baton volume import new {self.lab.directory}/po\t")
        terminal.wait_for(r"/pool/")

    def test_zsh_at_a_prompt(self):
        terminal = Terminal("zsh", "-f", "-i", env=self.env)
        self.addCleanup(terminal.end)
        terminal.type(f"PS1='> '; fpath=({COMPLETION} $fpath); autoload -U compinit; "
                      f"compinit -u -D; echo re''ady\n")
        terminal.wait_for("ready")
        terminal.type("baton volume show da\t")
        terminal.wait_for(r"baton volume show data")
        terminal.type("\x15baton volume show d\t")
        terminal.wait_for(r"data +-- 1 MiB")
        terminal.type(f"\x15baton failover --\t")
        terminal.wait_for(r"--owner-is-dead +-- ")

    def test_fish(self):
        for line, expected in self.CASES:
            shown = lab.run("fish", "--no-config", "-c",
                            f"source {COMPLETION}/baton.fish; complete -C 'baton {line}'",
                            env=dict(os.environ, **self.env, HOME=str(self.lab.directory))).stdout
            with self.subTest(line=line):
                self.assertEqual(sorted(word.split("\t")[0] for word in shown.splitlines()), expected)


class Help(SystemTest):
    def baton(self, *words, check=True):
        return lab.run(lab.BUILD / "baton", *words, check=check)

    def test_of_a_command_is_its_help(self):
        for words in (("clone", "create"), ("clone",), ("status",), ("volume", "export")):
            self.assertEqual(self.baton("help", *words).stdout, self.baton(*words, "--help").stdout)

    def test_of_a_topic(self):
        self.assertIn("4  no controller could be reached", self.baton("help", "exit-codes").stdout)
        for topic in ("failover", "names", "states"):
            self.assertGreater(len(self.baton("help", topic).stdout), 200)
        listed = self.baton("help").stdout
        for topic in ("exit-codes", "failover", "names", "states"):
            self.assertRegex(listed, rf"\n  {topic}  +\w")

    def test_of_nothing_that_there_is(self):
        result = self.baton("help", "frobnicate", check=False)
        self.assertEqual(result.returncode, lab.REFUSED)
        self.assertIn("no topic frobnicate", result.stderr)

    def test_states_are_those_that_there_are(self):
        text = self.baton("help", "states").stdout
        proto = (lab.SOURCE / "engine/base/model.proto").read_text()
        states = re.search(r"enum RelationState \{(.*?)\}", proto, flags=re.S)[1]
        for state in re.findall(r"  ([A-Z]+) = ", states):
            self.assertRegex(text, rf"(?m)^{state.lower()} ")


class Status(Prepared):
    def status(self, *words, **env):
        return Terminal(lab.BUILD / "baton", *words, env={**self.env, **env}, rows=8)

    def test_has_colours_on_a_terminal_alone(self):
        self.assertNotIn("\x1b", self.controller.run("status").stdout)
        terminal = self.status("status")
        terminal.wait_for("\x1b\\[3[12]mhealth")
        terminal = self.status("status", NO_COLOR="1")
        terminal.wait_for("keeper")
        self.assertNotIn("\x1b", terminal.text)

    def test_begins_with_what_is_wrong(self):
        self.pair.standby().kill()
        def problem():
            return "problem:" in self.controller.run("status", check=False).stdout
        lab.wait_until(problem, what="a problem")
        self.assertTrue(self.controller.run("status", check=False).stdout.startswith(("problem:", "warning:")))

    def test_is_watched_until_it_is_interrupted_over_a_restart(self):
        terminal = self.status("status", "--watch", "0.2")
        terminal.wait_for(r"\x1b\[H\x1b\[J(?s:.*)\x1b\[H\x1b\[J")
        look = terminal.text.split("\x1b[H\x1b[J")[1]
        self.assertLessEqual(look.count("\n"), 7)
        self.controller.wait_restarted(self.controller.kill_controller())
        seen = terminal.text.count("\x1b[J")
        terminal.wait_for(r"(?s:(?:.*\x1b\[J){%d})" % (seen + 3))
        self.assertEqual(terminal.end(signal.SIGINT), 0)

    def test_is_watched_as_json_lines(self):
        watch = subprocess.Popen([lab.BUILD / "baton", "--json", "status", "--watch=0.1"], stdout=subprocess.PIPE,
                                 env=dict(os.environ, **self.env), text=True)
        with watch:
            self.addCleanup(watch.kill)
            for _ in range(3):
                self.assertRegex(watch.stdout.readline(), r'^\{.*"node":"a".*\}$')
            watch.kill()


if __name__ == "__main__":
    lab.main()
