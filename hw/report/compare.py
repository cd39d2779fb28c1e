"""Two metrics.json side by side: what got better, what got worse, what is gone."""

from collections.abc import Sequence
from dataclasses import dataclass

from designs.metric import Metric


@dataclass(frozen=True)
class Change:
    """One metric with a direction that is not what it was; `now` None: it is missing."""

    name: str
    unit: str
    before: float
    now: float | None
    worse: bool

    def __str__(self) -> str:
        if self.now is None:
            return f"{self.name}: was {self.before:g} {self.unit}".rstrip() + ", is missing now"
        change = f"{self.name}: {self.before:g} -> {self.now:g} {self.unit}".rstrip()
        return f"{change} ({'worse' if self.worse else 'better'})"


def of_steps(metrics: Sequence[Metric], steps: Sequence[str]) -> tuple[Metric, ...]:
    """Those of a build's `metrics` that `steps` gave. Every step's end with its `wall_s__`, `cpu_s__`, `peak_memory_mib__`."""
    found: list[Metric] = []
    waiting: list[Metric] = []
    for metric in metrics:
        waiting.append(metric)
        what, _, step = metric.name.partition("__")
        if what == "peak_memory_mib":
            found += waiting if step in steps else ()
            waiting = []
    return (*found, *waiting)


def compare(before: Sequence[Metric], now: Sequence[Metric]) -> tuple[Change, ...]:
    """Changes among the metrics of `before` that have a direction, in their order. A missing metric counts as worse."""
    current = {metric.name: metric for metric in now}
    changes = []
    for old in before:
        if old.better == "none":
            continue
        new = current.get(old.name)
        if new is None:
            changes.append(Change(old.name, old.unit, old.value, None, True))
        elif new.value != old.value:
            worse = (new.value < old.value) == (old.better == "higher")
            changes.append(Change(old.name, old.unit, old.value, new.value, worse))
    return tuple(changes)
