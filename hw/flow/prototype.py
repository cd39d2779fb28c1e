"""Prototype: the decoder that goes into the bitstream, with its trained weights, simulated against the golden model."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from designs.decoding_set import DecodingSet
from designs.metric import Metric
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.simulate import budget_failures, require_right, simulation_metrics
from hw.flow.step import Result, Step, say
from hw.flow.tool import ToolError
from hw.flow.tools import VERILATOR, YOSYS
from hw.rtl.emit import TOP, EmitError, emit_component
from hw.targets.board import find_board, fit_to_board, prototype_decoder, why_no_netlist
from quant.golden.read_qonnx import read_qonnx
from rtl_sim.harness import HarnessError, measure_latency, simulate
from rtl_sim.verilator import VerilatorError

PAIR = "prototype RTL = golden"
WINDOWS = 200
"""At least, where the test streams have as many: whole streams are taken until there are enough."""
LATENCY_DECISIONS = 2
"""A board's clock is thousands of times faster than its samples: one token of ind_int4 at 25 MHz takes 2.5 million cycles, some
five seconds of simulation. The latency depends on no value, so that further decisions would hardly differ."""


@dataclass(frozen=True)
class PrototypeSimulation(Step):
    """The decoder as hw.targets.board.Prototype holds it (folded for the board's clock, weights preset): every integer at
    every boundary, cycles per decision, and the latency at the board's clock."""

    board: str

    name = "prototype"
    needs = (Kind.QONNX, Kind.DECODING_SET)
    makes = (Kind.EXACT_RTL,)
    tools = (YOSYS, VERILATOR)
    scripts = ("rtl_sim/harness.cpp",)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        board = find_board(self.board)
        fitted = fit_to_board(design, board)
        parameters = read_qonnx(files[Kind.QONNX], fitted)
        found = DecodingSet.load(files[Kind.DECODING_SET])
        tested = enough_streams(fitted, [found.streams[index] for index in found.test_streams()], WINDOWS)
        model = folder / "model"
        try:
            say("elaborating")
            sources = emit_component(prototype_decoder(fitted, parameters, taps=True), TOP, folder / "verilog_with_taps")[:1]
            say("compiling the Verilated decoder")
            result = simulate(
                sources,
                fitted,
                parameters,
                tested,
                model,
                progress=lambda done, total: say(f"segment {done} of {total}"),
            )
            exactness = require_right(fitted, result, folder, pair=PAIR, what="the prototype's RTL")
            say("latency at the real-time rate")
            longest = max(tested, key=len)
            latency = measure_latency(sources, fitted, parameters, longest, model, decisions=LATENCY_DECISIONS)
        except (EmitError, VerilatorError, HarnessError) as error:
            raise ToolError(str(error)) from error
        shutil.rmtree(model)
        origin = f"Verilator {VERILATOR.version()}, decoder of {board.name}, {result.windows} decisions of {found.source}"
        metrics = simulation_metrics(fitted, result, latency, origin)
        if reason := why_no_netlist(fitted, board):
            metrics += (Metric("fpga__netlist_windows", 0, "", "none", f"the FPGA netlist is not simulated: {reason}"),)
        return Result({Kind.EXACT_RTL: exactness}, metrics, budget_failures(fitted, result, latency))


def enough_streams(design: Design, streams: list[np.ndarray], windows: int) -> list[np.ndarray]:
    """The first of `streams` ([samples, channels]) that give at least `windows` decisions together; all, if they are fewer.

    The last one is cut where there are enough.
    """
    length, tokens = design.tokenizer.token_samples, design.model.tokens
    taken: list[np.ndarray] = []
    for stream in streams:
        decisions = len(stream) // length - tokens + 1
        if decisions < 1:
            continue
        used = min(decisions, windows)
        taken.append(stream[: (used + tokens - 1) * length])
        windows -= used
        if not windows:
            break
    return taken
