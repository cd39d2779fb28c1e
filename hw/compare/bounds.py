"""What a decoder is to take at most, or to reach, and whether it does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from designs.metric import Metric

DESIGNS = ("ind_int4", "ind_int8", "ind_stream_int4")


@dataclass(frozen=True)
class Bound:
    """`metric` of the row called `row` is to be `limit` at most, or with `least` at least."""

    row: str
    metric: str
    limit: float
    unit: str
    least: bool = False

    @property
    def text(self) -> str:
        return f"at {'least' if self.least else 'most'} {self.limit:g} {self.unit}".rstrip()


BOUNDS = (
    Bound("ind_int8", "power__total_uw", 80, "uW"),
    Bound("ind_int4", "power__total_uw", 40, "uW"),
    Bound("ind_stream_int4", "power__total_uw", 20, "uW"),
    Bound("ind_int4", "area__total_um2", 1.5e6, "um2"),
    Bound("ind_int4", "latency_ms", 5, "ms"),
    *(Bound(name, "floor__ratio", 4, "x") for name in DESIGNS),
    *(Bound(name, "exact__mismatches", 0, "") for name in DESIGNS),
    *(Bound(name, "timing__slack_slow_ns", 0, "ns", least=True) for name in DESIGNS),
    # of the first version with an engine: kernels of 20 taps, 83.5 and 110.6 uW
    Bound("ind_int4", "accuracy__integer", 0.942, "", least=True),
    Bound("ind_int8", "accuracy__integer", 0.929, "", least=True),
)


@dataclass(frozen=True)
class Verdict:
    """`value` None: the row was not built in this run (`built` False), or has no such metric, which is a failure."""

    bound: Bound
    value: float | None
    built: bool = True

    @property
    def word(self) -> str:
        """met, missed, not measured; no such metric."""
        if self.value is None:
            return "no such metric" if self.built else "not measured"
        is_met = self.value >= self.bound.limit if self.bound.least else self.value <= self.bound.limit
        return "met" if is_met else "missed"

    @property
    def is_bad(self) -> bool:
        return self.word in ("missed", "no such metric")


def judge(rows: Mapping[str, Sequence[Metric]], bounds: Sequence[Bound] = BOUNDS) -> tuple[Verdict, ...]:
    """A verdict per bound, by the metrics of each row."""
    values = {(name, metric.name): metric.value for name, metrics in rows.items() for metric in metrics}
    return tuple(Verdict(bound, values.get((bound.row, bound.metric)), bound.row in rows) for bound in bounds)
