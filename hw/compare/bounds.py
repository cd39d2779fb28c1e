"""What a decoder is to take at most, and whether it does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from designs.metric import Metric


@dataclass(frozen=True)
class Bound:
    """`metric` of the row called `row` is to be `most` at most."""

    row: str
    metric: str
    most: float
    unit: str


BOUNDS = (
    Bound("ind_int8", "power__total_uw", 80, "uW"),
    Bound("ind_int4", "power__total_uw", 40, "uW"),
    Bound("ind_stream_int4", "power__total_uw", 20, "uW"),
    Bound("ind_int4", "area__total_um2", 1.5e6, "um2"),
    Bound("ind_int4", "latency_ms", 5, "ms"),
    Bound("ind_int4", "floor__ratio", 4, "x"),
    Bound("ind_stream_int4", "floor__ratio", 4, "x"),
)


@dataclass(frozen=True)
class Verdict:
    """`value` None: the row was not built in this run, or has no such metric."""

    bound: Bound
    value: float | None

    @property
    def word(self) -> str:
        """met, missed, or not measured."""
        if self.value is None:
            return "not measured"
        return "met" if self.value <= self.bound.most else "missed"


def judge(rows: Mapping[str, Sequence[Metric]], bounds: Sequence[Bound] = BOUNDS) -> tuple[Verdict, ...]:
    """A verdict per bound, by the metrics of each row."""
    values = {(name, metric.name): metric.value for name, metrics in rows.items() for metric in metrics}
    return tuple(Verdict(bound, values.get((bound.row, bound.metric))) for bound in bounds)
