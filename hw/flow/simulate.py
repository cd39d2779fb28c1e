"""Simulate: the whole test set through the Verilated decoder, every integer at every boundary against the golden model."""

import shutil
from pathlib import Path

from designs.decoding_set import DecodingSet
from designs.metric import Metric
from designs.schema import Design
from hw.flow.artifact import GUARDED_LIST, SOURCE_LIST, Files, Kind, verilog_files
from hw.flow.exact import require_exact
from hw.flow.step import CheckFailed, Result, Step, say
from hw.flow.tool import ToolError
from hw.flow.tools import COMPILER, MAKE, VERILATOR
from hw.plan.cycles import tokenizer_cycles
from quant.golden.exactness import Mismatch, Row, write_rows
from quant.golden.read_qonnx import read_qonnx
from rtl_sim.harness import BoundaryResult, HarnessError, HarnessResult, Latency, measure_latency, simulate
from rtl_sim.verilator import VerilatorError

PAIR = "RTL = golden"
LATENCY_DECISIONS = 10
"""Seconds of simulation at the clock of an implant. No timing depends on values; decisions differ in the phase of the
tokenizer's octaves, which repeats after at most 8 tokens in the named designs."""


class Simulate(Step):
    """Weights through the load port, then every stream of the test part, and once samples at the real-time rate."""

    name = "simulate"
    needs = (Kind.QONNX, Kind.DECODING_SET, Kind.TAPPED_VERILOG, Kind.RTL_LOAD)
    makes = (Kind.EXACT_RTL,)
    tools = (VERILATOR, COMPILER, MAKE)
    scripts = ("rtl_sim/harness.cpp",)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        found = DecodingSet.load(files[Kind.DECODING_SET])
        tested = [found.streams[index] for index in found.test_streams()]
        parameters = read_qonnx(files[Kind.QONNX], design)
        plain, fast = (verilog_files(files[Kind.TAPPED_VERILOG], listed) for listed in (SOURCE_LIST, GUARDED_LIST))
        load, model = files[Kind.RTL_LOAD].read_bytes(), folder / "model"
        say("compiling the Verilated decoder")
        try:
            result = simulate(
                fast,
                design,
                parameters,
                tested,
                model,
                load=load,
                progress=lambda done, total: say(f"segment {done} of {total}"),
            )
            exactness = require_right(design, result, folder, pair=PAIR, what="RTL")
            say("latency at the real-time rate")
            longest = max(tested, key=len)
            # the modules as they are synthesized, every integer compared here too
            latency = measure_latency(plain, design, parameters, longest, model, decisions=LATENCY_DECISIONS, load=load)
        except VerilatorError as error:
            raise ToolError(str(error), lines=error.lines) from error
        except HarnessError as error:
            raise ToolError(str(error)) from error
        shutil.rmtree(model)
        origin = f"Verilator {VERILATOR.version()}, {result.windows} decisions of the test streams of {found.source}"
        failures = budget_failures(design, result, latency)
        return Result({Kind.EXACT_RTL: exactness}, simulation_metrics(design, result, latency, origin), failures)


def exactness_rows(result: HarnessResult, pair: str) -> list[Row]:
    """What the harness compared, boundary by boundary; `pair`: what with what."""
    return [
        Row(boundary.name, pair, result.windows, boundary.values, boundary.mismatches, _first(boundary))
        for boundary in result.boundaries
    ]


def _first(boundary: BoundaryResult) -> Mismatch | None:
    first = boundary.first
    return Mismatch(first.window, first.index, first.expected, first.found) if first else None


def require_right(design: Design, result: HarnessResult, folder: Path, *, pair: str, what: str) -> Path:
    """exactness.json in `folder`; CheckFailed where an integer differs, or where `what` did not give every decision."""
    exactness = folder / "exactness.json"
    write_rows(exactness_rows(result, pair), exactness)
    require_exact(design, exactness)
    require_all(design, result, what)
    return exactness


def require_all(design: Design, result: HarnessResult, what: str) -> None:
    """CheckFailed unless `what`, the thing simulated, gave every decision."""
    if not result.passed:
        stuck = " and the decoder stopped moving" if result.stuck else ""
        raise CheckFailed(
            f"{design.name}: {what} gave {result.windows} decisions where {result.expected_windows} were expected{stuck}"
        )


def budget_failures(design: Design, result: HarnessResult, latency: Latency) -> tuple[str, ...]:
    """A line for each budget of the design that the cycles break."""
    hardware, found = design.hardware, []
    available = hardware.clock_khz * design.tokenizer.token_ms
    if result.cycles_per_decision > available:
        found.append(
            f"{design.name}: {result.cycles_per_decision:.0f} cycles per decision, but {hardware.clock_khz} kHz gives "
            f"{available}: it cannot keep up; {_faster(design, available)}"
        )
    if latency.max_cycles / hardware.clock_khz > hardware.latency_budget_ms:
        found.append(
            f"{design.name}: latency {latency.max_cycles / hardware.clock_khz:.2f} ms is over "
            f"hardware.latency_budget_ms={hardware.latency_budget_ms:g}; {_faster(design, available)}"
        )
    return tuple(found)


def _faster(design: Design, available: int) -> str:
    """What to do about cycles: more multipliers help a pipeline's stages, but not the tokenizer or the engine."""
    if tokenizer_cycles(design.tokenizer) > available or design.hardware.backend == "engine":
        return "raise hardware.clock_khz"
    return "raise hardware.clock_khz, or give the stages more multipliers with a lower hardware.stage_cycles"


def simulation_metrics(design: Design, result: HarnessResult, latency: Latency, origin: str) -> tuple[Metric, ...]:
    """Cycles, latency and speed of simulation; `origin`: what ran on which windows."""
    clock_khz, available = design.hardware.clock_khz, design.hardware.clock_khz * design.tokenizer.token_ms
    real_time = f"Verilator, {latency.windows} decisions, samples evenly at the real-time rate, {clock_khz} kHz"
    per_s = design.decisions_per_s
    return (
        Metric("cycles__per_decision", round(result.cycles_per_decision, 1), "cycles", "lower", f"{origin}, unthrottled"),
        Metric(
            "cycles__available",
            available,
            "cycles",
            "none",
            f"{clock_khz} kHz, one decision per {design.tokenizer.token_ms} ms",
        ),
        Metric("real_time__slack", round(available / result.cycles_per_decision, 2), "x", "higher", origin),
        Metric("latency_cycles", latency.max_cycles, "cycles", "lower", real_time),
        Metric("latency_ms", round(latency.max_cycles / clock_khz, 4), "ms", "lower", real_time),
        Metric("latency_budget_ms", design.hardware.latency_budget_ms, "ms", "none", "the design"),
        Metric("clock_khz", clock_khz, "kHz", "none", "the design"),
        Metric("longest_sample_wait_cycles", latency.longest_sample_wait_cycles, "cycles", "lower", real_time),
        Metric("simulate__windows", result.windows, "", "none", origin),
        Metric("simulate__windows_per_s", round(result.windows_per_s, 1), "1/s", "none", origin),
        Metric("simulate__times_real_time", round(result.windows_per_s / per_s, 1), "x", "none", origin),
        Metric("simulate__cycles_per_s", round(result.cycles_per_s), "1/s", "none", origin),
    )
