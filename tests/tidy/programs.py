"""What `baton` and `batond` say of themselves: their commands and options, from their --help."""

import re
import subprocess


class Command:
    """One command: option -> whether it takes a value; name -> subcommand."""

    def __init__(self, program, words=()):
        shown = subprocess.run([program, *words, "--help"], stdout=subprocess.PIPE, text=True, check=True,
                               timeout=60).stdout
        self.options = {}
        self.commands = {}
        section = ""
        for line in shown.splitlines():
            if re.match(r"\w+:$", line):
                section = line
            elif section == "Options:":
                self._take_option(line)
            elif section == "Subcommands:" and (found := re.match(r"  (\w+) ", line)):
                self.commands[found[1]] = Command(program, (*words, found[1]))

    def _take_option(self, line):
        found = re.match(r"  (-[\w,-]+)( [A-Z])?", line)
        for name in found[1].split(",") if found else ():
            self.options[name] = bool(found[2])

    def all_options(self):
        """The options of this command and of all below it."""
        return set(self.options).union(*(each.all_options() for each in self.commands.values()))

    def fault(self, words):
        """What is wrong with a command line, or ""."""
        here, known = self, dict(self.options)
        words = list(words)
        while words:
            word = words.pop(0).split("=")[0]
            if word.startswith("-"):
                if word not in known:
                    return f"there is no option {word}"
                if known[word] and words:
                    words.pop(0)
            elif here.commands and re.fullmatch(r"[a-z]+", word):
                if word not in here.commands:
                    return f"there is no command {word}"
                here = here.commands[word]
                known |= here.options
            elif here.commands:  # a word that stands for a command: nothing is known of what follows
                return ""
        return ""


class Programs:
    def __init__(self, build):
        self.baton = Command(build / "baton")
        self.batond = Command(build / "batond")
        self.options = self.baton.all_options() | self.batond.all_options()
