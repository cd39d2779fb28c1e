"""The verdict on an exactness.json: one differing integer ends the build."""

from pathlib import Path

from designs.schema import Design
from hw.flow.step import CheckFailed
from hw.report.exactness import Row, first_difference, read_exactness


def require_exact(design: Design, path: Path) -> tuple[Row, ...]:
    """The rows of `path`. Raises CheckFailed naming layer, token, index and both values if one integer differs."""
    rows = read_exactness(path)
    line = first_difference(design.name, rows)
    if line is not None:
        raise CheckFailed(line, log=path)
    return rows
