"""The verdict on an exactness.json: one differing integer ends the build."""

from pathlib import Path

from designs.schema import Design
from hw.flow.step import CheckFailed
from quant.golden.exactness import Row, first_mismatch, read_rows


def require_exact(design: Design, path: Path) -> tuple[Row, ...]:
    """The rows of `path`. Raises CheckFailed naming layer, token, index and both values if one integer differs."""
    rows = read_rows(path)
    line = first_mismatch(rows)
    if line is not None:
        raise CheckFailed(f"{design.name}: {line}", log=path)
    return rows
