"""Checks of the documentation: each returns one line for each fault."""

import functools
import os
import re

import tree as trees

CELL_WORDS = 20

# The files whose names in the text are those of the tree.
_ENDINGS = (".cc", ".h", ".py", ".proto", ".sh", ".md")
PATH = re.compile(r"(?<![\w./@{}-])((?:%s|packaging|docs)/[\w./*@{},-]*)" % "|".join(trees.CODE))
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:^|[;|(&]\s*|\$\()\s*(?:\w+=\S+ )*(batond?)(?: +([^;|&#)]*))?(?=$|[;|&#)])")
# Names of other people's programs that look like names of this code.
_FOREIGN = {"ESTALE", "RuntimeWatchdogSec", "RequiresMountsFor", "fence_ipmilan", "fence_vmware_rest", "io_submit",
            "no_subtree_check", "pg_createcluster", "full_page_writes", "synchronous_commit", "pg_backup_start",
            "scsi_id", "scsi_sn", "target_core_file", "fsid_type"}


class Code:
    """A piece of a page that is no prose: a span between backticks, or a line of a block."""

    def __init__(self, page, number, text, block):
        self.page, self.number, self.text, self.block = page, number, text, block

    def fault(self, text):
        return f"{self.page}:{self.number}: {text}"


@functools.cache
def code_of(tree, page):
    found, block, begun, text, spans = [], None, 0, [], ""
    for number, line in enumerate(tree.lines(page), 1):
        fence = re.match(r"\s*```(\w*)", line)
        if fence:
            block = None if block is not None else fence[1] or "plain"
            spans += "\n"
        elif block is not None:
            found.append(Code(page, number, line.strip(), block))
            spans += "\n"
        else:
            spans += line + "\n"
    # A span may go on in the next line.
    for span in re.finditer(r"`([^`]+)`", spans):
        number = spans.count("\n", 0, span.start()) + 1
        found.append(Code(page, number, " ".join(span[1].split()).replace("\\|", "|"), ""))
    return found


def _all_code(tree, *but):
    return [code for page in tree.pages() for code in code_of(tree, page) if code.block not in but]


def check_paths(tree):
    """A path that is named in a page does not exist."""
    faults = []
    for code in _all_code(tree):
        for path in PATH.findall(code.text):
            path = path.rstrip(".,-")
            if not any(tree.exists(each) for each in alternatives(path)):
                faults.append(code.fault(f"there is no {path}"))
        if re.fullmatch(r"[\w*]+(\.\*|%s)" % "|".join(map(re.escape, _ENDINGS)), code.text):
            if "*" not in code.text and code.text not in tree.names:
                faults.append(code.fault(f"there is no file {code.text}"))
    return faults


def alternatives(path):
    found = re.fullmatch(r"(.*)\{(.*)\}(.*)", path)
    return [found[1] + each + found[3] for each in found[2].split(",")] if found else [path]


def check_links(tree):
    """A link leads to a file or a heading that does not exist."""
    faults = []
    for page in tree.pages(history=True):
        for number, line in enumerate(tree.lines(page), 1):
            for link in _LINK.findall(line):
                target, _, anchor = link.partition("#")
                if ":" in target:
                    continue
                path = os.path.normpath(os.path.join(os.path.dirname(page), target)) if target else page
                if not tree.exists(path):
                    faults.append(f"{page}:{number}: the link {link} leads to no file")
                elif anchor and anchor not in anchors(tree, path):
                    faults.append(f"{page}:{number}: the link {link} leads to no heading")
    return faults


@functools.cache
def anchors(tree, page):
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", tree.text(page), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_commands(tree, programs):
    """A command or an option that is named in a page does not exist."""
    faults = []
    scripts = "\n".join(tree.text(path) for path in tree.scripts() if not path.startswith("tests/tidy/"))
    groups = [name for name, command in programs.baton.commands.items() if command.commands]
    for code in _all_code(tree, "mermaid", "floors", "libraries"):
        text = re.sub(r"[\[\]\\]", "", code.text)
        for found in _COMMAND.finditer(text):
            program = programs.batond if found[1] == "batond" else programs.baton
            words = (found[2] or "").split()
            fault = program.fault(words)
            if fault:
                faults.append(code.fault(f"{found[0].strip()}: {fault}"))
        words = text.split()
        if code.block or not words:
            continue
        if words[0] in groups and len(words) > 1 and re.fullmatch(r"[a-z]+", words[1]) and words[1] != "is":
            fault = programs.baton.fault(words)
            if fault:
                faults.append(code.fault(f"{text}: {fault}"))
        elif words[0] in programs.baton.commands and any(word.startswith("--") for word in words):
            fault = programs.baton.fault(words)
            if fault:
                faults.append(code.fault(f"{text}: {fault}"))
        elif words[0].startswith("--") or _is_script(tree, words[0]):
            for option in re.findall(r"(?<!\S)--[a-z][\w-]*", text):
                if option not in programs.options and option not in scripts and "--gtest" not in option:
                    faults.append(code.fault(f"there is no option {option}"))
    return faults


def _is_script(tree, word):
    return "." in word and word in tree.names or word.startswith(("tests/", "packaging/"))


def settings_of(tree):
    """Table -> settings, of the configuration file."""
    settings, table = {"": set()}, ""
    for line in tree.lines("packaging/batond.toml"):
        if found := re.match(r"\[([\w.]+)\]", line):
            table = found[1]
            settings[table] = set()
        elif found := re.match(r"(?:# )?(\w+) = ", line):
            settings[table].add(found[1])
    return settings


def check_settings(tree):
    """A setting that is named in a page is not in the configuration file."""
    settings = settings_of(tree)
    faults = []
    for code in _all_code(tree, "mermaid"):
        for found in re.finditer(r"(?<![\w./-])([a-z]+)\.([a-z_]+)\b(?![(/.])", code.text):
            table, name = found.groups()
            if table in settings and name not in settings[table] and f".{name}" not in _ENDINGS:
                is_message = not code.block and code.text.count(" ") > 3
                if f"{table}.{name}" not in settings and not is_message:
                    faults.append(code.fault(f"there is no setting {found[0]}"))
        found = re.fullmatch(r"\[([a-z.]+)\]", code.text)
        if found and found[1] not in settings:
            faults.append(code.fault(f"there is no table {found[0]} of settings"))
    return faults


def check_identifiers(tree):
    """A name of the code that is used in a page is in no file of the code."""
    known = set()
    for path in tree.below(trees.CODE + ("packaging",), ""):
        if not path.startswith("tests/tidy/"):
            known.update(re.findall(r"\w+", tree.text(path)))
    shape = re.compile(r"(?:\w+::)+\w+|k[A-Z]\w+|[A-Z][a-z]+[A-Z]\w*|[a-z]+(?:_[a-z]+)+_?")
    faults = []
    for code in _all_code(tree):
        if code.block:
            continue
        for name in re.findall(r"\w+", code.text) if shape.fullmatch(code.text) else ():
            if name not in known | _FOREIGN:
                faults.append(code.fault(f"the code has no {name} ({code.text})"))
    return faults


# Where code names a thread.
_THREAD = re.compile(r'(?:StartThread\(|WorkQueue\w*>\([^"\n]*|pthread_setname_np\([^"]*|\bthread_name = )'
                     r'\s*(?:fmt::format\()?"([\w{}-]+)"')
_THREAD_PAGES = ("docs/threads.md", "docs/pair-protocol.md")


def check_threads(tree):
    """A thread that the code starts is on no page about threads."""
    known = {code.text for page in _THREAD_PAGES for code in code_of(tree, page) if not code.block}
    return [f"{path}: thread {name} is neither in {' nor in '.join(_THREAD_PAGES)}"
            for path in tree.below(trees.PRODUCTION, (".cc", ".h"))
            for name in _THREAD.findall(tree.text(path)) if name.replace("{}", "N") not in known]


def check_cells(tree):
    """A cell of a table is a paragraph: that belongs into a list."""
    faults = []
    for page in tree.pages():
        text = re.sub(r"^ *```.*?^ *```", lambda block: "\n" * block[0].count("\n"), tree.text(page),
                      flags=re.M | re.S)
        for number, line in enumerate(text.splitlines(), 1):
            for cell in re.split(r"(?<!\\)\|", line) if line.startswith("|") else ():
                count = len(cell.split())
                if count > CELL_WORDS:
                    faults.append(f"{page}:{number}: a cell has {count} words, at most {CELL_WORDS}")
    return faults


CHECKS = (check_threads, check_cells, check_paths, check_links, check_settings, check_identifiers)
