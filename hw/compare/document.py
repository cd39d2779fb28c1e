"""Tables between markers of a Markdown document: what stands around them stays."""

import re
from collections.abc import Mapping
from pathlib import Path

START, END = "<!-- compare: {} -->", "<!-- compare: end -->"


class DocumentError(ValueError):
    """A document without the markers; one line."""


def with_tables(text: str, tables: Mapping[str, str], name: str) -> str:
    """`text` with each table between `<!-- compare: NAME -->` and `<!-- compare: end -->`; DocumentError without a marker."""
    for table, content in tables.items():
        pattern = re.compile(re.escape(START.format(table)) + r"\n.*?" + re.escape(END), re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise DocumentError(f"{name}: does not have one pair of markers {START.format(table)} and {END}; put it back")
        text = pattern.sub(lambda _, c=content, t=table: f"{START.format(t)}\n\n{c}\n\n{END}", text)  # type: ignore[misc]
    return text


def write_tables(path: Path, tables: Mapping[str, str]) -> None:
    """Rewrite the document, whole or not at all. DocumentError with one line."""
    try:
        text = with_tables(path.read_text(encoding="utf-8"), tables, path.name)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise DocumentError(f"{path}: cannot be rewritten ({error.strerror})") from error
