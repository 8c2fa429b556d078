"""Checks of the code: each returns one line for each fault."""

import ast
import collections
import functools
import os
import re

import tree as trees

FUNCTION_LINES = 70
FILE_LINES = 800
PAGE_LINES = {trees.RULES: 300}
SOURCES = (".cc", ".h", ".proto")
INCLUDE = re.compile(r'^\s*(?:#\s*include|import)\s*(?:"([^"]+)"|<([^>]+)>)', re.M)

# What the table of names has replaced, and by what. The first list holds everywhere, the second in
# the documentation alone: there these are words of the language, too.
REPLACED = {
    r"\b\w*Tenure\w*|\btenures?_?\b": "OwnedEpoch",
    r"\b\w*Carrier\w*|\bcarriers?_?\b": "LogWriteback, writeback",
    r"\b\w*Lander\w*|\blanders?_?\b": "BitmapCommitter",
    r"\bkRing\w*|\bIntentRing\w*": "kLog..., IntentLog",
    r"\b(Seats?|seats?_?)\b": "Drainable",
    r"\b(Doors?|doors?_)\b": "AdoptionSocket",
    r"\b(Visitors?|visitors?_)\b": "Connection",
    r"\bKnock\w*": "Connect",
    r"\bEndWatch\b": "ShutdownMonitor",
    r"\bNews\b": "ProcessEvent",
    r"\bMakesSense\b": "IsValid",
    r"\bkeeper::Link\b|\bKeeperLink\b": "KeeperClient",
}
REPLACED_IN_PAGES = {
    r"(?<!-)\brings?\b": "intent log",
    r"\bPair::\w+": "HaNode",
    r"\bclaims? on (an )?extents?\b": "extent lock",
}


def _line_of(text, position):
    return text.count("\n", 0, position) + 1


def check_floors(tree):
    """An include goes against the floors of the architecture page."""
    allowed = tree.rules("floors")
    faults = [f"{trees.RULES}: {folder} -> {below}: {problem}"
              for folder, words in allowed.items() for below in words
              for problem in _problems_of_a_rule(tree, allowed, folder, below)]
    for path in tree.below(trees.PRODUCTION, SOURCES):
        folder = os.path.dirname(path)
        if folder not in allowed:
            faults.append(f"{path}:1: folder {folder} has no line in the floors of {trees.RULES}")
            continue
        for found in INCLUDE.finditer(tree.text(path)):
            other = os.path.dirname(found[1] or found[2])
            if other == folder or other.split("/")[0] not in trees.CODE:
                continue
            if other not in allowed[folder] and found[1] not in allowed[folder]:
                faults.append(f"{path}:{_line_of(tree.text(path), found.start())}: {folder} may not "
                              f"include {found[1] or found[2]}")
    return faults


def check_links_of_libraries(tree):
    """A folder's library is linked to one that does not stand below it."""
    allowed = tree.rules("floors")
    lists = [path for path in tree.below(trees.PRODUCTION, "CMakeLists.txt")
             if os.path.dirname(path) in allowed]
    folder_of = {}
    for path in lists:
        for name in re.findall(r"^baton_library(?:_of_commands)?\((\w+)", tree.text(path), re.M):
            folder_of[name] = os.path.dirname(path)
    faults = []
    for path in lists:
        folder = os.path.dirname(path)
        below = _all_below(allowed, folder) | {folder}
        for name in re.findall(r"\bbaton_\w+", tree.text(path)):
            if name in folder_of and folder_of[name] not in below:
                faults.append(f"{path}: {name} does not stand below {folder}")
    return faults


def _all_below(allowed, folder):
    reached, ahead = set(), list(allowed[folder])
    while ahead:
        here = _folder_of(ahead.pop())
        if here not in reached:
            reached.add(here)
            ahead += allowed.get(here, [])
    return reached


def _problems_of_a_rule(tree, allowed, folder, below):
    if not tree.exists(below) or _folder_of(below) not in allowed:
        yield "there is no such floor"
    elif folder in _all_below(allowed, _folder_of(below)) | {_folder_of(below)}:
        yield "the arrows go round in a circle"


def _folder_of(word):
    return os.path.dirname(word) if word.endswith(".h") else word


def check_twins(tree):
    """Two production files in different folders have one name."""
    folders = collections.defaultdict(set)
    for path in tree.below(trees.PRODUCTION, (".cc", ".h")):
        folder, name = os.path.split(path)
        folders[os.path.splitext(name)[0]].add(folder)
    return [f"{stem}.h/.cc: in {' and in '.join(sorted(found))}: two files have one name"
            for stem, found in sorted(folders.items()) if len(found) > 1]


def check_libraries(tree):
    """A foreign library is used elsewhere than in its place."""
    places = tree.rules("libraries")
    faults = []
    for path in tree.below(trees.PRODUCTION, SOURCES):
        text = tree.text(path)
        for found in INCLUDE.finditer(text):
            header = found[1] or found[2]
            for library, folders in places.items():
                is_it = header.startswith(library) if library.endswith("/") else header == library
                if is_it and os.path.dirname(path) not in folders:
                    faults.append(f"{path}:{_line_of(text, found.start())}: <{header}> belongs into "
                                  f"{', '.join(folders)}")
    return faults


def check_names(tree):
    """A word that the table of names has replaced."""
    faults = []
    here = os.path.join("tests", "tidy", "")
    files = [path for path in tree.below(trees.CODE, "") if not path.startswith(here)]
    for path in files + tree.pages():
        words = REPLACED | (REPLACED_IN_PAGES if path.endswith(".md") else {})
        for line, found in _matches("|".join(words), tree.text(path)):
            instead = next(now for word, now in words.items() if re.search(word, found))
            faults.append(f'{path}:{line}: "{found}" is now: {instead}')
    return faults


@functools.cache
def _matches(pattern, text):
    return [(_line_of(text, found.start()), found[0]) for found in re.finditer(pattern, text)]


def check_lengths(tree):
    """A function or a file is too long."""
    faults = []
    code = tree.below(trees.CODE, (".cc", ".h"))
    for path in code + tree.scripts() + tree.pages():
        limit = PAGE_LINES.get(path, FILE_LINES)
        count = len(tree.lines(path))
        if count > limit:
            faults.append(f"{path}: {count} lines, at most {limit}")
    for path in code:
        faults += _long_functions(path, _functions_of_cpp(tree.text(path)))
    for path in tree.scripts():
        first = tree.text(path).split("\n", 1)[0]
        if path.endswith(".py") or "python" in first:
            faults += _long_functions(path, _functions_of_python(tree.text(path)))
        elif first.startswith("#!"):
            faults += _long_functions(path, _functions_of_shell(tree.lines(path)))
    return faults


def _long_functions(path, functions):
    return [f"{path}:{first}: {name} has {last - first + 1} lines, at most {FUNCTION_LINES}"
            for name, first, last in functions if last - first + 1 > FUNCTION_LINES]


def _functions_of_python(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno


def _functions_of_shell(lines):
    start = None
    for number, line in enumerate(lines, 1):
        found = re.match(r"(?:function )?([\w-]+) ?\(\) ?[({]$", line)
        if found:
            start = (found[1], number)
        elif line in ("}", ")") and start:
            yield *start, number
            start = None


_QUIET = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
                    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'|^[ ]*#(?:[^\n]*\\\n)*[^\n]*", re.S | re.M)
_SCOPE = re.compile(r"\b(namespace|class|struct|union|enum)\b|\bextern$")


@functools.cache
def _functions_of_cpp(text):
    """(name, first line, last line) of each function outside of other functions."""
    return list(_find_functions_of_cpp(text))


def _find_functions_of_cpp(text):
    # Comments, strings and directives become spaces, so that only braces of the code are left.
    text = _QUIET.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    scopes, begin, depth = [], 0, 0  # depth: open braces within the function
    function = None
    for found in re.finditer(r"[{};]", text):
        sign, position = found[0], found.start()
        if depth:
            depth += (sign == "{") - (sign == "}")
            if depth == 0 and function:
                yield *function, _line_of(text, position)
            if depth == 0:
                begin, function = position + 1, None
            continue
        if sign == "{":
            head = text[begin:position].strip()
            bare = re.sub(r"^(?:template\s*<[^{;]*>\s*)+", "", head)
            if _SCOPE.search(bare) and not re.search(r"\)\s*(const|override|noexcept|final|\s)*$", bare):
                scopes.append(position)
            else:
                depth = 1
                name = re.search(r"([\w:~]+)\s*\(", bare)
                first = begin + len(text[begin:position]) - len(text[begin:position].lstrip())
                function = (name[1], _line_of(text, first)) if name else None
        elif sign == "}" and scopes:
            scopes.pop()
        begin = position + 1


CHECKS = (check_floors, check_links_of_libraries, check_twins, check_libraries, check_names, check_lengths)
