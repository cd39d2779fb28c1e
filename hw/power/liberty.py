"""The Liberty format: text -> nested groups with their attributes. Knows the grammar, not the meaning."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|\\(?=\s)|"((?:[^"\\]|\\.)*)"|([^\s"(){};:,]+)|([(){};:,])', re.DOTALL)


class LibertyError(ValueError):
    """A Liberty file that cannot be used; the message names the file and what is wrong."""


@dataclass
class Group:
    """``kind (args) { attributes; groups }``. Repeated simple attributes keep the last value, complex ones all values."""

    kind: str
    args: tuple[str, ...]
    attributes: dict[str, str] = field(default_factory=dict)
    complex: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.args[0] if self.args else ""

    def all(self, kind: str) -> Iterator["Group"]:
        return (group for group in self.groups if group.kind == kind)

    def first(self, kind: str) -> "Group | None":
        return next(self.all(kind), None)

    def get(self, name: str, default: str = "") -> str:
        return self.attributes.get(name, default)

    def number(self, name: str, default: float = 0.0) -> float:
        return float(self.attributes.get(name, default))


def read_liberty(path: Path) -> Group:
    """The `library` group of the file; LibertyError with one line when it cannot be read."""
    try:
        text = path.read_text(encoding="latin-1")
    except OSError as error:
        raise LibertyError(f"{path.name}: cannot be read ({error.strerror}); give the path of a Liberty file") from error
    return parse_liberty(text, path.name)


def parse_liberty(text: str, name: str) -> Group:
    """Text -> its `library` group. `name` is for messages. A missing semicolon at the end of a line is forgiven."""
    tokens = [
        (match.group(2) or match.group(3) or match.group(1) or "", match.group(3) is not None, match.start())
        for match in _TOKEN.finditer(text)
        if match.group(1) is not None or match.group(2) or match.group(3)
    ]
    found = Group("file", ())
    try:
        _parse_body(tokens, 0, found)
    except IndexError as error:
        raise LibertyError(f"{name}: ends in the middle of a group; the file is truncated") from error
    except ValueError as error:
        raise LibertyError(f"{name}: is not Liberty ({error})") from error
    library = found.first("library")
    if library is None:
        raise LibertyError(f"{name}: holds no library group; give a Liberty (.lib) file")
    return library


def _parse_body(tokens: list[tuple[str, bool, int]], at: int, into: Group) -> int:
    """Statements up to the closing brace (or the end, for the file). Returns the index after it."""
    whole_file = into.kind == "file"
    while not (whole_file and at >= len(tokens)):
        text, is_mark, where = tokens[at]
        if is_mark and text == "}":
            return at + 1
        if is_mark and text == ";":
            at += 1
        elif is_mark:
            raise ValueError(f"unexpected {text!r} at character {where}")
        else:
            at = _parse_statement(tokens, at, into)
    return at


def _parse_statement(tokens: list[tuple[str, bool, int]], at: int, into: Group) -> int:
    name, _, where = tokens[at]
    mark = tokens[at + 1]
    if mark[:2] == (":", True):
        value = tokens[at + 2][0]
        into.attributes[name] = value.strip()
        at += 3
        # an unquoted expression such as `5 * VDD` runs up to its semicolon
        while not tokens[at][1] and tokens[at][0] in "+-*/" and not tokens[at + 1][1]:
            at += 2
        return at
    if mark[:2] != ("(", True):
        raise ValueError(f"no ':' or '(' after {name!r} at character {where}")
    args: list[str] = []
    at += 2
    while tokens[at][:2] != (")", True):
        if tokens[at][:2] == (":", True):
            args[-1] += ":" + tokens[at + 1][0]
            at += 2
            continue
        if not tokens[at][1]:
            args.append(tokens[at][0])
        at += 1
    at += 1
    if at < len(tokens) and tokens[at][:2] == ("{", True):
        group = Group(name, tuple(args))
        into.groups.append(group)
        return _parse_body(tokens, at + 1, group)
    into.complex.setdefault(name, []).append(tuple(args))
    return at
