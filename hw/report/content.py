"""Content: the sections of a report, each from the metrics and exactness rows it shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from designs.layer_table import linear_layers
from designs.schema import Design
from hw.report import plots
from hw.report.cards import cards
from hw.report.page import Page, Picture, Section
from hw.report.power_section import Kinds, PowerDetail, power_section
from hw.report.results import Results
from hw.report.table import Table, number, percent
from quant.golden.exactness import Row

BESIDE_AREA = (
    "area__placed_um2",
    "area_of_cells_um2",
    "area_of_memories_um2",
    "kge",
    "cells",
    "registers",
    "clock_gates",
    "memory_macros",
    "memory_bits",
)
NO_BLOCKS = ("total", "placed")
BACKENDS = {
    "engine": "one array of multipliers in turn",
    "amaranth": "a unit of its own each, in a pipeline",
    "finn": "FINN's matrix-vector units, in a pipeline",
}
COURSE_WINDOWS = 400
"""Windows of a stretch whose values are drawn."""
NOT_MODELLED = (
    "Placement and routing: wires are a wire-load model in the high figure and absent in the others. Open flows end at 1.25 "
    "to 1.6 times the area and up to twice the power of this estimate, by comparison with commercial sign-off.",
    "The clock tree is an estimate, wires and buffers by the number of clock pins: nobody has built and balanced it.",
    "Hold fixing: hold slack is told before the clock tree and the delay cells that layout inserts, and is not judged.",
    "Pads, the analogue front end and converter, voltage regulation, the radio.",
    "State-dependent power takes the bits of a bus as independent; input transitions are a fixed 0.1 ns.",
)


@dataclass(frozen=True)
class Decoded:
    """The test windows: true and decided class [windows], or true and decoded values [windows, outputs]; the stream and time of
    each; names of the classes or values."""

    wanted: np.ndarray
    decoded: np.ndarray
    stream: np.ndarray
    time_s: np.ndarray
    names: tuple[str, ...]


def page(
    design: Design,
    results: Results,
    rows: Sequence[Row],
    decoded: Decoded | None = None,
    *,
    power: PowerDetail | None = None,
    area: Kinds | None = None,
    notes: Sequence[str] = (),
) -> Page:
    """The whole report. Sections whose numbers the flow does not make are left out."""
    tokenizer, model, quant = design.tokenizer, design.model, design.quant
    layers = f"{model.layers} layer{'s' if model.layers > 1 else ''}"
    lead = (
        f"{tokenizer.channels} channels at {tokenizer.sample_hz} Hz, {tokenizer.wavelets} wavelets, {model.tokens} tokens of "
        f"{tokenizer.token_ms} ms, width {model.embed_dim}, {layers}; weights {quant.weight}, activations {quant.activation}, "
        f"residual stream {quant.stream}; dense layers: {BACKENDS[design.hardware.backend]}."
    )
    sections = (
        _notes(notes),
        _decoding(results, decoded),
        _exactness(rows),
        _latency(results),
        power_section(results, power or PowerDetail()),
        _area(results, area or {}),
        _layers(design),
        _time(results),
        _not_modelled(results),
        _origins(results),
    )
    return Page(design.name, lead, cards(results), tuple(section for section in sections if section is not None))


def _notes(notes: Sequence[str]) -> Section | None:
    return Section("Read this first", tuple(notes), kind="notes") if notes else None


def _decoding(results: Results, decoded: Decoded | None) -> Section | None:
    found = results.matching(r"((?:accuracy|macro_f1|r2|correlation)__\w+)")
    if not found:
        return None
    rows = tuple((name.replace("__", ", ").replace("_", " "), _share(name, m.value), m.origin) for name, m in found.items())
    table = Table(("measure", "value", "measured on"), rows, numeric=frozenset({1}))
    if decoded is None:
        return Section("Decoding", (), (), (table,))
    text, pictures = _values(decoded) if decoded.wanted.ndim == 2 else _classes(decoded)
    return Section("Decoding", (text,), pictures, (table,))


def _share(name: str, value: float) -> str:
    """R2 and correlation are no percentages of anything counted."""
    return number(value, 3) if name.startswith(("r2", "correlation")) else percent(value)


def _classes(decoded: Decoded) -> tuple[str, tuple[Picture, ...]]:
    first = decoded.stream == decoded.stream[0]
    stretch = plots.timeline(decoded.time_s[first], decoded.wanted[first], decoded.decoded[first], decoded.names)
    return "Decisions of the integer decoder on test windows; rows of the matrix are true classes.", (
        Picture("confusion", "true against decided class", plots.confusion(decoded.wanted, decoded.decoded, decoded.names)),
        Picture("timeline", "a decoded stretch of the test recording", stretch),
    )


def _values(decoded: Decoded) -> tuple[str, tuple[Picture, ...]]:
    first = np.flatnonzero(decoded.stream == decoded.stream[0])[:COURSE_WINDOWS]
    course = plots.course(decoded.time_s[first], decoded.wanted[first], decoded.decoded[first], decoded.names)
    return "Values of the integer decoder on test windows, in the units of the recording's targets.", (
        Picture("scatter", "true against decoded value", plots.scatter(decoded.wanted, decoded.decoded, decoded.names)),
        Picture("course", "a decoded stretch of the test recording", course),
    )


def _exactness(rows: Sequence[Row]) -> Section | None:
    if not rows:
        return None
    boundaries, pairs = (tuple(dict.fromkeys(getattr(row, name) for row in rows)) for name in ("boundary", "pair"))
    cells = {(row.boundary, row.pair): row for row in rows}
    body, marks = [], {}
    for place, boundary in enumerate(boundaries):
        line = [boundary]
        for column, pair in enumerate(pairs, start=1):
            row = cells.get((boundary, pair))
            if row is None:
                line.append("not a boundary here")
                marks[place, column] = "quiet"
            elif row.mismatches == 0:
                line.append(f"= {number(row.values)}")
                marks[place, column] = "good"
            else:
                line.append(f"{row.mismatches} of {number(row.values)} differ")
                marks[place, column] = "bad"
        body.append(tuple(line))
    windows = [f"{pair}: {min(row.windows for row in rows if row.pair == pair)} windows" for pair in pairs]
    text = "Integers compared at every boundary; equal means equal, there is no tolerance. " + "; ".join(windows) + "."
    table = Table(("boundary", *pairs), tuple(body), numeric=frozenset(range(1, len(pairs) + 1)), marks=marks)
    return Section("Exactness", (text,), tables=(table,))


def _latency(results: Results) -> Section | None:
    names = {
        "clock_khz": "clock",
        "cycles__per_decision": "busy cycles per decision",
        "cycles__available": "cycles available per decision",
        "real_time__slack": "slack against real time",
        "latency_cycles": "latency, last sample to decision",
        "latency_ms": "latency",
        "latency_budget_ms": "latency budget",
        "longest_sample_wait_cycles": "longest wait of a converted sample",
        "fmax_mhz": "highest clock (static timing)",
        "fmax_slow_mhz": "highest clock, slow corner",
        "timing__slack_slow_ns": "setup slack, slowest corner",
        "simulate__times_real_time": "simulation speed against real time",
    }
    found = [(title, metric) for name, title in names.items() if (metric := results.get(name)) is not None]
    if not found:
        return None
    rows = tuple((title, f"{number(m.value)} {m.unit}".strip(), m.origin) for title, m in found)
    return Section("Latency and throughput", tables=(Table(("", "value", "origin"), rows, numeric=frozenset({1})),))


def _area(results: Results, kinds: Kinds) -> Section | None:
    total = results.get("area__total_um2")
    if total is None:
        return None
    blocks = {name: m.value for name, m in results.matching(r"area__(\w+)_um2").items() if name not in NO_BLOCKS}
    rows = [(name, number(value), percent(value / total.value)) for name, value in sorted(blocks.items(), key=lambda b: -b[1])]
    rows.append(("total", number(total.value), ""))
    table = Table(("block", "um\u00b2", "share"), tuple(rows), numeric=frozenset({1, 2}), sums=True)
    thousands = {name: {kind: value / 1e3 for kind, value in row.items()} for name, row in kinds.items()}
    pictures = (Picture("area", "area per block", plots.breakdown(thousands, "1000 um\u00b2")),) if kinds else ()
    found = [m for name in BESIDE_AREA if (m := results.get(name)) is not None]
    facts = Table(
        ("also", "value"),
        tuple((m.name.replace("__", " ").replace("_", " "), f"{number(m.value, 4)} {m.unit}".strip()) for m in found),
        numeric=frozenset({1}),
    )
    placed = results.get("area__placed_um2")
    text = [f"Cells and memories before placement. Source: {total.origin}."]
    if placed is not None:
        text.append(f"Placed it would take {number(placed.value / 1e6)} mm\u00b2: {placed.origin}.")
    return Section("Area", tuple(text), pictures, (table, facts))


def _layers(design: Design) -> Section:
    rows = tuple(
        (
            layer.name,
            f"{layer.inputs} \u2192 {layer.outputs}",
            str(layer.input),
            str(layer.weight),
            str(layer.acc),
            str(layer.out or layer.acc),
            number(layer.macs),
        )
        for layer in linear_layers(design)
    )
    header = ("layer", "size", "input", "weight", "accumulator", "output", "multiply-adds per decision")
    return Section("Dense layers", tables=(Table(header, rows, numeric=frozenset({6})),), folded=True)


def _time(results: Results) -> Section | None:
    seconds = results.matching(r"wall_s__(\w+)")
    if not seconds:
        return None
    columns = (seconds, results.matching(r"cpu_s__(\w+)"), results.matching(r"peak_memory_mib__(\w+)"))
    rows = [(name, *(f"{column[name].value:.1f}" if name in column else "" for column in columns)) for name in seconds]
    wall, cpu = (sum(metric.value for metric in column.values()) for column in columns[:2])
    rows.append(("total", f"{wall:.1f}", f"{cpu:.1f}", ""))
    text = "When the step last ran; a step whose inputs have not changed is re-used."
    header = ("step", "s", "processor s", "peak memory (MiB)")
    return Section(
        "Time and memory of this build", (text,), tables=(Table(header, tuple(rows), frozenset({1, 2, 3}), sums=True),)
    )


def _not_modelled(results: Results) -> Section | None:
    return Section("What is not modelled", NOT_MODELLED, kind="notes") if results.get("power__total_uw") else None


def _origins(results: Results) -> Section:
    rows = tuple((m.name, f"{number(m.value, 4)} {m.unit}".strip(), m.better, m.origin) for m in results.metrics)
    table = Table(("metric", "value", "better", "origin"), rows, numeric=frozenset({1}))
    return Section("Where every number comes from", tables=(table,), folded=True)
