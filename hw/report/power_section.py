"""The power of a report: the headline and what it means, block by block, in every condition, at other clocks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hw.report import plots
from hw.report.page import Picture, Section
from hw.report.results import LEVELS, Results
from hw.report.table import Table, number, percent

Kinds = Mapping[str, Mapping[str, float]]
"""block or condition -> kind (logic, registers, clock, memories, leakage) -> value."""
NOT_BLOCKS = ("total", "leakage", "idle", "decoding", "worst_case", "peak", "at")
"""power__<one of these>_uw, or with more behind it, is no block's power."""
CONDITIONS = {
    "power__idle_uw": ("idle", "clock running, no samples"),
    "power__total_uw": ("duty-cycled: the headline", "decoding the recording for the duty, idle for the rest"),
    "power__worst_case_uw": ("worst case", "the same with full-scale noise on all channels instead of the recording"),
    "power__decoding_uw": ("decoding", "the recording, one decision behind the other without a pause"),
    "power__peak_uw": ("peak", "the busiest moment of decoding the recording"),
    "power__peak_noise_uw": ("peak, noise", "the busiest moment of decoding noise"),
    "power__leakage_uw": ("leakage", "part of every line above; at the temperature of the corner"),
    "power__leakage_37c_uw": (
        "leakage at 37 \u00b0C",
        "interpolated between corners, or doubled per 10 \u00b0C where there is one",
    ),
    "power__leakage_37c_doubling_uw": ("leakage at 37 \u00b0C, upper", "doubled per 10 \u00b0C"),
}
# without a meaning: the corner, with which an origin begins
FIGURES = {
    "power__total_uw": ("high: the headline", "glitches, wire loads and a clock tree"),
    "power__total_no_tree_uw": ("without clock tree", "glitches and wire loads"),
    "power__total_mid_uw": ("mid", "glitches"),
    "power__total_low_uw": ("low", "neither glitches nor wires"),
    "power__total_slow_uw": ("high, slow corner", ""),
    "power__total_fast_uw": ("high, fast corner", ""),
}
BESIDE = {
    "clock_tree_estimate_uw": ("clock tree", "estimated wires and buffers, part of the headline"),
    "duty": ("duty", "share of the time in which it decodes"),
    "energy_per_decision_nj": ("energy per decision", "above idling"),
    "energy_per_decision_with_idle_nj": ("energy per decision, all", "everything spent from one decision to the next"),
    "power_density_mw_per_mm2": ("power density", "over cells and memories"),
    "tissue_heating_degc": ("tissue heating", "of the decoder alone"),
    "glitch__factor": ("glitch factor", "toggles of logic with cell delays over those without"),
    "floor__energy_per_decision_nj": ("floor per decision", "bare multipliers, and one read of every weight and sample"),
    "floor__power_uw": ("floor", "that at the real-time rate"),
    "floor__ratio": ("total over floor", "headline over floor"),
}


@dataclass(frozen=True)
class PowerDetail:
    """What metrics cannot hold: kinds of each block and of each condition in the high figure, and other clocks as power.json
    has them."""

    blocks: Kinds = field(default_factory=dict)
    conditions: Kinds = field(default_factory=dict)
    clocks: tuple[Mapping, ...] = ()
    peak_cycles: int = 0
    """How long the moments are of which the peak is one."""


def power_section(results: Results, detail: PowerDetail) -> Section | None:
    """None where the flow made no power."""
    total = results.get("power__total_uw")
    if total is None:
        return None
    duty = results.value("duty")
    busy = f", decoding for {percent(duty)} of the time and idle for the rest" if duty is not None else ""
    moment = f" A peak is the mean of {detail.peak_cycles} cycles." if detail.peak_cycles else ""
    text = (
        f"The headline, {number(total.value)} uW, is the high figure at the real-time rate{busy}: with glitches, wires and "
        "an estimated clock tree. Low: neither glitches nor wires; mid: with glitches; both without a clock tree. All other "
        f"conditions are the high figure too.{moment}"
    )
    tables = (
        _blocks(results),
        _told(results, CONDITIONS, "condition"),
        _told(results, FIGURES, "figure"),
        _clocks(results, detail.clocks),
        _told(results, BESIDE, "also"),
    )
    pictures = (
        ("power", "power per block, high figure", detail.blocks),
        ("power_conditions", "power by kind in every condition, high figure", detail.conditions),
    )
    drawn = tuple(Picture(name, alt, plots.breakdown(kinds, "uW")) for name, alt, kinds in pictures if kinds)
    return Section("Power", (text, f"Source: {total.origin}."), drawn, tuple(table for table in tables if table is not None))


def blocks_by_level(results: Results) -> dict[str, dict[str, float]]:
    """block -> level -> uW, from power__<block>_uw (high), power__<block>_low_uw and power__<block>_mid_uw."""
    found: dict[str, dict[str, float]] = {}
    for name, metric in results.matching(r"power__(\w+)_uw").items():
        block, level = name, LEVELS[-1]
        for candidate in LEVELS:
            if name.endswith(f"_{candidate}"):
                block, level = name.removesuffix(f"_{candidate}"), candidate
        if block not in NOT_BLOCKS and not block.startswith(tuple(f"{other}_" for other in NOT_BLOCKS)):
            found.setdefault(block, {})[level] = metric.value
    return found


def _blocks(results: Results) -> Table:
    blocks = blocks_by_level(results)
    levels = [level for level in LEVELS if any(level in row for row in blocks.values())]
    largest_first = sorted(blocks.items(), key=lambda item: -max(item[1].values()))
    rows = [(name, *(number(row[level]) if level in row else "" for level in levels)) for name, row in largest_first]
    sums = {level: sum(row.get(level, 0.0) for row in blocks.values()) for level in levels}
    rows.append(("total", *(number(sums[level]) for level in levels)))
    columns = tuple(f"{level} (uW)" for level in levels)
    return Table(("block", *columns), tuple(rows), numeric=frozenset(range(1, len(levels) + 1)), sums=True)


def _told(results: Results, names: Mapping[str, tuple[str, str]], title: str) -> Table | None:
    found = [(told, metric) for name, told in names.items() if (metric := results.get(name)) is not None]
    if not found:
        return None
    rows = tuple(
        (name, f"{number(metric.value)} {metric.unit}".strip(), meaning or metric.origin.split(",")[0])
        for (name, meaning), metric in found
    )
    return Table((title, "value", "what it is"), rows, numeric=frozenset({1}))


def _clocks(results: Results, clocks: tuple[Mapping, ...]) -> Table | None:
    if not clocks:
        return None
    cycles = results.value("latency_cycles")
    rows = []
    for at in clocks:
        latency = f"{number(cycles / at['khz'])} ms" if cycles is not None and at["uw"] is not None else ""
        power = f"{number(at['uw'])} uW" if at["uw"] is not None else f"refused: {at['refused']}"
        rows.append((f"{number(at['khz'])} kHz", power, latency))
    return Table(("clock", "power, high figure", "latency"), tuple(rows), numeric=frozenset({0, 1, 2}))
