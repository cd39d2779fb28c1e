"""Report: all metrics, exactness rows and decisions of a build to report.md and report.html."""

import json
from pathlib import Path

import numpy as np

from designs.decoding_set import DecodingSet
from designs.metric import Metric, read_metrics
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.step import Result, Step, say
from hw.report.content import Decoded, page
from hw.report.power_section import PowerDetail
from hw.report.results import Results
from hw.targets.choose import find_process
from quant.golden.exactness import Row, read_rows

EXACT = (Kind.EXACT_REFERENCE, Kind.EXACT_RTL, Kind.EXACT_NETLIST)
SAMPLED = (Kind.EXACT_NETLIST,)
"""Compared on a part of the test windows only, because of the simulation's speed; shown with their own count."""


class Report(Step):
    """One page: is it exact, does it decode, what does it cost, and where does every number come from."""

    name = "report"
    needs = (Kind.METRICS,)
    wants = (*EXACT, Kind.DECODING_SET, Kind.BREVITAS_TRACE, Kind.POWER, Kind.AREA)
    makes = (Kind.REPORT,)
    scripts = ("hw/report/page.css",)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        say("collecting")
        rows = {kind: read_rows(files[kind]) for kind in EXACT if kind in files}
        exact = exactness_metrics(rows)
        results = Results((*read_metrics(files[Kind.METRICS]), *exact))
        every_row = [row for kind in rows for row in rows[kind]]
        power = _power(files[Kind.POWER]) if Kind.POWER in files else None
        area = json.loads(files[Kind.AREA].read_text()) if Kind.AREA in files else None
        whole = page(design, results, every_row, _decoded(design, files), power=power, area=area, notes=_notes(design, files))
        whole.write(folder)
        return Result({Kind.REPORT: folder / "report.html"}, exact)


def _power(path: Path) -> PowerDetail:
    found = json.loads(path.read_text())
    window = found["activity"]["window_cycles"]
    return PowerDetail(found["figures"]["high"]["blocks"], found["conditions"], tuple(found["clocks"]), window)


def exactness_metrics(rows: dict[Kind, tuple[Row, ...]]) -> tuple[Metric, ...]:
    """`exact__windows` is the least number of windows of any full comparison; sampled ones have their own metric."""
    whole = [row for kind, found in rows.items() if kind not in SAMPLED for row in found]
    sampled = [row for kind in SAMPLED for row in rows.get(kind, ())]
    every = [*whole, *sampled]
    if not whole:
        return ()
    pairs = ", ".join(dict.fromkeys(row.pair for row in every))
    found = [
        Metric("exact__windows", min(row.windows for row in whole), "", "higher", f"least of all full comparisons: {pairs}"),
        Metric("exact__mismatches", sum(row.mismatches for row in every), "", "lower", pairs),
        Metric("exact__values", sum(row.values for row in every), "", "none", pairs),
    ]
    if sampled:
        found.append(Metric("exact__netlist_windows", min(row.windows for row in sampled), "", "higher", sampled[0].pair))
    return tuple(found)


def _decoded(design: Design, files: Files) -> Decoded | None:
    """The test windows and what the integer decoder made of them, in time."""
    if Kind.DECODING_SET not in files or Kind.BREVITAS_TRACE not in files:
        return None
    found = DecodingSet.load(files[Kind.DECODING_SET])
    with np.load(files[Kind.BREVITAS_TRACE], allow_pickle=False) as trace:
        windows, decided = trace["test_window"].astype(int), trace["test_decoded"]
    return Decoded(
        wanted=found.window_target[windows] if found.regression else found.window_label[windows],
        decoded=decided,
        stream=found.window_stream[windows],
        time_s=(found.window_token[windows] + 1) * design.tokenizer.token_ms / 1000,
        names=tuple(str(name) for name in found.label_names),
    )


def _notes(design: Design, files: Files) -> tuple[str, ...]:
    """What must be known of the process before its numbers are read."""
    if Kind.POWER not in files:
        return ()
    process = find_process(design.hardware.target)
    found = [process.note] if process.note else []
    if process.memory_model:
        found.append(f"{process.name}: {process.memory_model}")
    return tuple(found)
