"""What the checks share: which sources there are, and their text without comments and strings."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Order matters: whichever starts first wins, so a // in a string is no comment.
_TOKEN = re.compile(
    r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.S | re.X)


def sources(*folders, suffixes=(".c", ".h", ".S")):
    """Paths from the root of all sources below the folders, sorted."""
    found = []
    for folder in folders:
        for path, _, names in os.walk(os.path.join(ROOT, folder)):
            found += [os.path.relpath(os.path.join(path, name), ROOT)
                      for name in names if name.endswith(suffixes)]
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def code(text):
    """The text with comments and the contents of strings blanked; includes are left as they are."""
    def replace(match):
        token = match.group()
        line_start = text.rfind("\n", 0, match.start()) + 1
        if token[0] == '"' and re.match(r"\s*#\s*include\b", text[line_start:match.start()]):
            return token
        if token[0] in "\"'":
            return token[0] + _blank(token[1:-1]) + token[-1]
        return _blank(token)
    return _TOKEN.sub(replace, text)


def comments(text):
    """The text with everything but comments blanked."""
    kept, end = [], 0
    for match in _TOKEN.finditer(text):
        if match.group()[0] == "/":
            kept += [_blank(text[end:match.start()]), match.group()]
            end = match.end()
    return "".join(kept) + _blank(text[end:])
