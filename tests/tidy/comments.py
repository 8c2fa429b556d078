"""Checks of the comments in the code: each returns one line for each fault."""

import ast
import functools
import io
import re
import tokenize

import pages
import tree as trees

# A word with the ending of a file, and maybe a heading in it.
_FILE = re.compile(r"(?<![\w./@{}<-])([\w./*{},-]*[\w*}])(\.(?:cc|h|py|proto|sh|md|toml|txt))\b(?:#([\w-]+))?")
_OF_CPP = re.compile(r"""//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\w)'(?:\\.|[^'\\\n])+'""", re.S)
_OF_OTHERS = re.compile(r"""(?:^|(?<=\s))#(?!!)[^\n]*""", re.M)


def check_comments(tree):
    """A comment names a file, a folder or a heading that does not exist."""
    included = {name for path in tree.below(trees.CODE, (".cc", ".h"))
                for name in re.findall(r"#\s*include <([^>]+)>", tree.text(path))}
    faults = []
    for path in _code(tree):
        for number, text in _comments(tree, path):
            for fault in _dead_names(tree, text, included):
                faults.append(f"{path}:{number}: there is no {fault}")
    return faults


def _code(tree):
    lists = [path for path in tree.files if path.endswith("CMakeLists.txt")]
    return tree.below(trees.CODE, (".cc", ".h", ".proto")) + tree.scripts() + lists


def _comments(tree, path):
    """(line, text) of each."""
    text = tree.text(path)
    if path.endswith((".cc", ".h", ".proto")):
        return _comments_of_others(text, _OF_CPP)
    if path.endswith(".py") or "python" in text.split("\n", 1)[0]:
        return _comments_of_python(text)
    return _comments_of_others(text, _OF_OTHERS)


@functools.cache
def _comments_of_others(text, comment):
    return [(text.count("\n", 0, found.start()) + 1 + offset, line)
            for found in comment.finditer(text) if found[0].startswith(("/", "#"))
            for offset, line in enumerate(found[0].split("\n"))]


@functools.cache
def _comments_of_python(text):
    return list(_find_comments_of_python(text))


def _find_comments_of_python(text):
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith("#!"):
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            for offset, line in enumerate(node.body[0].value.value.split("\n")):
                yield node.body[0].lineno + offset, line


def _dead_names(tree, text, included):
    for stem, ending, heading in _FILE.findall(text):
        name = stem + ending
        if "/" not in name and "*" not in name:
            found = [path for path in tree.files if path.rsplit("/", 1)[-1] == name]
        else:
            found = [each for each in pages.alternatives(name) if tree.exists(each)]
        if not found and name not in included:
            yield name
        elif heading and found and heading not in pages.anchors(tree, found[0]):
            yield f"heading {heading} in {name}"
    for path in pages.PATH.findall(_FILE.sub("", text)):
        path = path.rstrip(".,-")
        if not any(tree.exists(each) for each in pages.alternatives(path)):
            yield path


CHECKS = (check_comments,)
