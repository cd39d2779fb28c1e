"""Metric: one number with its unit, its direction and where it comes from; and metrics.json, the flat list of them."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

BETTER = ("higher", "lower", "none")


class MetricError(ValueError):
    """A number that is no result, or a metrics file that cannot be read; one line."""


@dataclass(frozen=True)
class Metric:
    """`name` as in "power__total_uw"; `unit` "count", "share" or "" for plain numbers; `origin`: tool, corner, recording."""

    name: str
    value: float
    unit: str
    better: str
    origin: str

    def __post_init__(self) -> None:
        if self.better not in BETTER:
            raise MetricError(f"metric {self.name}: better={self.better!r} is unknown; use one of {', '.join(BETTER)}")
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or not math.isfinite(self.value):
            raise MetricError(f"metric {self.name}: value={self.value!r} is not a finite number; nothing was measured")
        if not self.origin:
            raise MetricError(f"metric {self.name}: it has no origin; say which tool and which data it comes from")


def write_metrics(path: Path, metrics: Iterable[Metric]) -> None:
    """Write a metrics.json under a temporary name, then rename. Two metrics of one name are refused."""
    rows = [asdict(metric) for metric in metrics]
    names = [row["name"] for row in rows]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MetricError(f"{path.name}: metric {twice[0]} is given twice")
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(rows, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(path)


def read_metrics(path: Path) -> tuple[Metric, ...]:
    """Read a metrics.json. Raises MetricError with one line for anything else."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(rows, list):
            raise TypeError("not a list")
        return tuple(Metric(**{key: row[key] for key in ("name", "value", "unit", "better", "origin")}) for row in rows)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise MetricError(f"{path}: not a readable metrics.json ({error}); give the one a build left in its folder") from error
