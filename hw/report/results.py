"""Results: the metrics of a build by name, with the groups a report shows."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from designs.metric import Metric

LEVELS = ("low", "mid", "high")
"""Power without wires and glitches, with glitches, with both and a clock tree; the last is the headline."""


@dataclass(frozen=True)
class Results:
    """Look-ups that say None for what this flow does not make."""

    metrics: tuple[Metric, ...]

    def get(self, name: str) -> Metric | None:
        return next((metric for metric in self.metrics if metric.name == name), None)

    def value(self, name: str) -> float | None:
        found = self.get(name)
        return None if found is None else found.value

    def matching(self, pattern: str) -> dict[str, Metric]:
        """First group of `pattern`, matched to whole names -> metric, in order."""
        found = ((re.fullmatch(pattern, metric.name), metric) for metric in self.metrics)
        return {match.group(1): metric for match, metric in found if match is not None}

    def but(self, prefixes: Iterable[str]) -> tuple[Metric, ...]:
        """Metrics whose names start with none of `prefixes`."""
        return tuple(metric for metric in self.metrics if not metric.name.startswith(tuple(prefixes)))
