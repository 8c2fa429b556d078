"""The files of a source tree, and the rules that stand in its documentation."""

import functools
import os
import pathlib
import re

PRODUCTION = ("engine", "fs", "ha", "cli")
CODE = PRODUCTION + ("tests",)
# History: it names what was there at its time.
HISTORY = ("docs/decisions", "docs/CHANGELOG.md")
RULES = "docs/architecture.md"


class Tree:
    """All files below `root`, except builds, by their path."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = sorted(self._walk())
        self.names = {os.path.basename(path) for path in self.files}
        self.folders = {str(parent) for path in self.files for parent in pathlib.PurePath(path).parents}

    def _walk(self):
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".git")
                          and not os.path.exists(os.path.join(folder, name, "CMakeCache.txt"))]
            for name in names:
                yield str((pathlib.Path(folder) / name).relative_to(self.root))

    @functools.cache
    def text(self, path):
        """The content of a file; of one that is no text it is empty."""
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return ""

    def lines(self, path):
        return self.text(path).splitlines()

    def exists(self, path):
        """Whether there is such a file or folder; `path` may be a pattern of the shell."""
        path = os.path.normpath(path)
        if any(sign in path for sign in "*?["):
            return any(pathlib.PurePath(file).match(path) for file in self.files)
        return path in self.folders or path in self.files

    def below(self, folders, endings):
        return [path for path in self.files
                if path.split("/")[0] in folders and path.endswith(endings)]

    def scripts(self):
        """Programs that are not compiled."""
        return [path for path in self.below(("tests", "packaging", ".ci"), "")
                if path.endswith((".py", ".sh")) or self.text(path).startswith("#!")]

    def pages(self, history=False):
        """README.md, CONTRIBUTING.md and docs."""
        return [path for path in self.files
                if path.endswith(".md") and (path.startswith("docs/") or "/" not in path)
                and (history or not path.startswith(HISTORY))]

    def rules(self, name):
        """The block ```NAME of the architecture page: key -> words behind the arrow."""
        found = re.search(rf"^```{name}\n(.*?)^```", self.text(RULES), re.M | re.S)
        if not found:
            raise AssertionError(f"{RULES} has no block ```{name}")
        rules = {}
        for line in found[1].splitlines():
            key, _, words = line.partition("->")
            rules[key.strip()] = words.split()
        return rules
