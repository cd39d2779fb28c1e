"""Whole sample streams through the Verilated decoder, every transfer at every boundary compared with the golden model."""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from designs.layer_table import StreamShape
from designs.number_format import IntFormat
from designs.schema import Design
from hw.plan.taps import Tap, taps
from quant.golden.parameters import IntegerParameters
from quant.golden.trace import trace_samples
from rtl_sim.harness_model import HarnessTop, build_harness
from rtl_sim.processes import Ended, run_together
from rtl_sim.segments import Segment, Tracer, cut_segments, write_segment

STALL_CODES = {"never": 0, "half": 1, "bursts": 2}
ROUND_SEGMENTS = 8
"""Segments whose expected values lie on disk at a time."""


class HarnessError(RuntimeError):
    """The simulation could not run to its end; one line on what stopped."""


@dataclass(frozen=True)
class Mismatch:
    """The first differing integer at a boundary. `window`: row of the boundary's stream (a token for `tokens` and `embed`)."""

    stream: int
    window: int
    index: tuple[int, ...]
    expected: int
    found: int


@dataclass(frozen=True)
class BoundaryResult:
    """Comparison at one boundary: `values` transfers seen of `expected` ones; missing and surplus ones count as mismatches."""

    name: str
    expected: int
    values: int
    mismatches: int
    first: Mismatch | None = None

    def __add__(self, other: "BoundaryResult") -> "BoundaryResult":
        return BoundaryResult(
            self.name,
            self.expected + other.expected,
            self.values + other.values,
            self.mismatches + other.mismatches,
            self.first or other.first,
        )


@dataclass(frozen=True)
class HarnessResult:
    """What a run of `simulate` found."""

    windows: int
    """Decisions that came out."""
    expected_windows: int
    boundaries: tuple[BoundaryResult, ...]
    cycles: int
    simulation_s: float
    """Wall time of the simulation alone, all processes together from first start to last end."""
    cpu_s: float
    """Processor time of the simulation, summed over the processes."""
    cycles_per_decision: float
    """Steady state with samples as fast as they are accepted."""
    stuck: bool
    """The hardware stopped moving before everything expected had come."""

    @property
    def mismatches(self) -> int:
        return sum(boundary.mismatches for boundary in self.boundaries)

    @property
    def passed(self) -> bool:
        return not self.mismatches and not self.stuck and self.windows == self.expected_windows and self.windows > 0

    @property
    def windows_per_s(self) -> float:
        return self.windows / self.simulation_s

    @property
    def cycles_per_s(self) -> float:
        return self.cycles / self.simulation_s


@dataclass(frozen=True)
class Latency:
    """Last sample of a window accepted -> last readout value transferred, with samples arriving evenly in real time."""

    windows: int
    min_cycles: int
    max_cycles: int
    longest_sample_wait_cycles: int
    """Longest time a converted sample had to be held before the decoder took it."""


def simulate(
    verilog_files: Sequence[Path],
    design: Design,
    parameters: IntegerParameters,
    sample_streams: Sequence[np.ndarray],
    folder: Path,
    *,
    jobs: int = 2,
    stall: str = "never",
    top: HarnessTop | None = None,
    load: bytes | None = None,
    trace: Tracer | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> HarnessResult:
    """Run every stream ([samples, channels] converter codes, decoded from reset) and compare with the golden model.

    top: other module name, taps, include folders or flags than `HarnessTop(files, taps=every boundary)`. load: bytes for the
    load port after each reset, for Verilog without preset memories. trace: instead of the golden model of `parameters`.
    progress(done, total) counts segments. Raises VerilatorError or HarnessError.
    """
    top = top or HarnessTop(files=tuple(verilog_files), taps=taps(design))
    executable = build_harness(top, design, folder)
    tracer = trace or partial(trace_samples, parameters=parameters)
    options = ["--stall", str(STALL_CODES[stall]), *_load_option(load, folder)]
    segments = list(cut_segments(design, sample_streams))
    reports: list[tuple[Segment, dict]] = []
    wall_s = 0.0
    remaining = iter(segments)
    while batch := list(islice(remaining, ROUND_SEGMENTS)):
        folders = [folder / "segments" / str(number) for number in range(len(batch))]
        for segment, place in zip(batch, folders, strict=True):
            write_segment(segment, place, top.taps, tracer)
        begin = time.perf_counter()
        reports += zip(batch, _run_batch(executable, batch, folders, options, jobs), strict=True)
        wall_s += time.perf_counter() - begin
        shutil.rmtree(folder / "segments")
        progress(len(reports), len(segments))
    return _summarise(design, top.taps, reports, wall_s)


def measure_latency(
    verilog_files: Sequence[Path],
    design: Design,
    parameters: IntegerParameters,
    samples: np.ndarray,
    folder: Path,
    *,
    decisions: int = 4,
    top: HarnessTop | None = None,
    load: bytes | None = None,
    trace: Tracer | None = None,
) -> Latency:
    """As `simulate`, for the first `decisions` of one stream with samples arriving at the design's clock and sample rate.

    The converter is taken as multiplexed: its samples come evenly spaced, channel after channel. Raises HarnessError where the
    integers differ, for a latency of wrong decisions means nothing.
    """
    top = top or HarnessTop(files=tuple(verilog_files), taps=taps(design))
    executable = build_harness(top, design, folder)
    tokenizer = design.tokenizer
    segment = next(cut_segments(design, [samples], decisions), None)
    if segment is None:
        raise HarnessError(f"{design.name}: the stream for the latency is too short for one decision")
    place = folder / "latency"
    write_segment(segment, place, top.taps, trace or partial(trace_samples, parameters=parameters))
    rate = [
        "--clock-hz",
        str(design.hardware.clock_khz * 1000),
        "--samples-per-s",
        str(tokenizer.sample_hz * tokenizer.channels),
    ]
    [report] = _run_batch(executable, [segment], [place], rate + _load_option(load, folder), 1)
    shutil.rmtree(place)
    result = _summarise(design, top.taps, [(segment, report)], 1.0)
    if not result.passed:
        raise HarnessError(f"{design.name}: the decisions at the real-time rate differ from the golden model")
    return Latency(result.windows, report["latency_min"], report["latency_max"], report["longest_wait"])


@dataclass(frozen=True)
class LoadOutcome:
    """The decoder's status after a weight load: the ports of docs/streams.md, 0 or 1 each."""

    loaded_before: int
    taken: int
    """Every byte was taken."""
    loaded: int
    load_error: int
    load_refused: int
    accepts_samples: int
    cycles: int


def check_load(
    verilog_files: Sequence[Path],
    design: Design,
    frames: bytes,
    folder: Path,
    *,
    armed: bool = False,
    top: HarnessTop | None = None,
) -> LoadOutcome:
    """Feed `frames`, good or corrupted, to the load port after a reset and read the status ports."""
    top = top or HarnessTop(files=tuple(verilog_files), taps=taps(design))
    executable = build_harness(top, design, folder)
    path = folder / "load.bin"
    path.write_bytes(frames)
    command = [str(executable.absolute()), "load", str(path.absolute()), "--armed", str(int(armed))]
    [done] = run_together([command])
    if done.returncode:
        raise HarnessError(f"simulation of {folder.name}: {done.errors.strip() or done.returncode}")
    return LoadOutcome(**json.loads(done.output))


def _load_option(load: bytes | None, folder: Path) -> list[str]:
    if load is None:
        return []
    path = folder / "load.bin"
    path.write_bytes(load)
    return ["--load", str(path.absolute())]


def _run_batch(
    executable: Path, batch: Sequence[Segment], folders: Sequence[Path], options: list[str], jobs: int
) -> list[dict]:
    """One process per job, segments dealt out longest first; reports in the order of `batch`."""
    hands: list[list[int]] = [[] for _ in range(max(1, min(jobs, len(batch))))]
    for number in sorted(range(len(batch)), key=lambda n: -batch[n].tokens):
        min(hands, key=lambda hand: sum(batch[n].tokens for n in hand)).append(number)
    lists = [folders[hand[0]].with_suffix(".job") for hand in hands]
    for hand, job in zip(hands, lists, strict=True):
        job.write_text("".join(f"{batch[n].samples.size} {folders[n].absolute()}\n" for n in hand))
    outcomes = run_together([[str(executable.absolute()), "run", str(job), *options] for job in lists])
    reports: dict[int, dict] = {}
    for hand, job, done in zip(hands, lists, outcomes, strict=True):
        job.unlink()
        reports |= zip(hand, _reports(executable, done, len(hand)), strict=True)
    return [reports[number] for number in range(len(batch))]


def _reports(executable: Path, done: Ended, segments: int) -> list[dict]:
    lines = done.output.splitlines()
    if done.returncode or len(lines) != segments:
        reason = done.errors.strip().splitlines()[-1:] or [f"exit code {done.returncode} after {len(lines)} segments"]
        raise HarnessError(f"simulation of {executable.parents[1].name}: {reason[0]}")
    return [json.loads(line) for line in lines]


def _summarise(design: Design, seen: Sequence[Tap], reports: Sequence[tuple[Segment, dict]], wall_s: float) -> HarnessResult:
    boundaries = {tap.name: tap for tap in seen} | {"m_axis": Tap(port_shape(design))}
    totals = {name: BoundaryResult(name, 0, 0, 0) for name in boundaries}
    for segment, report in reports:
        for name, row in report["taps"].items():
            totals[name] += _boundary(boundaries[name], segment, row)
    steady = [(report["last_decision"] - report["first_decision"], report["decisions"] - 1) for _, report in reports]
    intervals = sum(count for cycles, count in steady if count > 0)
    return HarnessResult(
        windows=sum(report["decisions"] for _, report in reports),
        expected_windows=sum(segment.tokens - design.model.tokens + 1 for segment, _ in reports),
        boundaries=tuple(totals.values()),
        cycles=sum(report["cycles"] for _, report in reports),
        simulation_s=wall_s,
        cpu_s=sum(report["cpu_s"] for _, report in reports),
        cycles_per_decision=sum(cycles for cycles, count in steady if count > 0) / intervals if intervals else 0.0,
        stuck=any(report["stuck"] for _, report in reports),
    )


def port_shape(design: Design) -> StreamShape:
    """What passes at the decision port: for each readout value the value, then the class where it is the last, else 0."""
    return StreamShape("m_axis", (design.model.outputs, 2), IntFormat(32))


def _boundary(tap: Tap, segment: Segment, row: list[int]) -> BoundaryResult:
    expected, seen, wrong, at, value, found = row
    first = None
    if wrong:
        window, place = divmod(at, len(tap.places))
        index = np.unravel_index(tap.places[place], tap.stream.shape)
        first = Mismatch(segment.stream, segment.first_token + window, tuple(int(i) for i in index), value, found)
    return BoundaryResult(tap.name, expected, seen, wrong + abs(expected - seen), first)
