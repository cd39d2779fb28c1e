"""Documents of which people write the upper part and a command the lower, behind a mark; and its tables."""

from collections.abc import Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_below(mark: str, text: str, path: Path, *, title: str) -> None:
    """`text` behind `mark`; what stands above it in the document stays, a new one begins with `title`. Whole or as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    above = path.read_text(encoding="utf-8").partition(mark)[0] if path.is_file() else f"# {title}\n\n"
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(f"{above}{mark}\n\n{text}", encoding="utf-8")
    partial.replace(path)
