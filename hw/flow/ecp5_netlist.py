"""ECP5 netlist: the prototype's decoder after synthesis for the FPGA, simulated as cells against the golden model."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from designs.decoding_set import DecodingSet
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.prototype import enough_streams
from hw.flow.simulate import require_right
from hw.flow.step import Result, Step, say
from hw.flow.tool import ToolError, run_tool
from hw.flow.tools import VERILATOR, YOSYS
from hw.rtl.emit import TOP, component_rtlil
from hw.rtl.ind import Ind
from hw.targets.board import Board, find_board, fit_to_board, prototype_decoder
from quant.golden.read_qonnx import read_qonnx
from rtl_sim.ecp5_cells import netlist_top
from rtl_sim.harness import HarnessError, simulate
from rtl_sim.harness_model import HarnessTop
from rtl_sim.verilator import VerilatorError

PAIR = "ECP5 netlist = golden"
WINDOWS = 20
NETLIST = "netlist.v"


@dataclass(frozen=True)
class Ecp5Netlist(Step):
    """`synth_ecp5` of the decoder as the prototype holds it; its readout and decisions on real test windows."""

    board: str

    name = "fpga_netlist"
    needs = (Kind.QONNX, Kind.DECODING_SET)
    makes = (Kind.FPGA_NETLIST, Kind.EXACT_NETLIST)
    tools = (YOSYS, VERILATOR)
    scripts = ("rtl_sim/harness.cpp",)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        board = find_board(self.board)
        fitted = fit_to_board(design, board)
        parameters = read_qonnx(files[Kind.QONNX], fitted)
        found = DecodingSet.load(files[Kind.DECODING_SET])
        tested = enough_streams(fitted, [found.streams[index] for index in found.test_streams()], WINDOWS)
        model = folder / "model"
        model.mkdir()
        try:
            top = synthesize_netlist(prototype_decoder(fitted, parameters), board, folder, model)
            say("compiling the Verilated netlist")
            result = simulate(top.files, fitted, parameters, tested, model, top=top)
        except (VerilatorError, HarnessError) as error:
            raise ToolError(str(error)) from error
        exactness = require_right(fitted, result, folder, pair=PAIR, what="the ECP5 netlist")
        shutil.rmtree(model)
        return Result({Kind.FPGA_NETLIST: folder / NETLIST, Kind.EXACT_NETLIST: exactness})


def synthesize_netlist(decoder: Ind, board: Board, folder: Path, models: Path) -> HarnessTop:
    """`decoder` as ECP5 cells, netlist.v in `folder`; what the harness needs to run it, cell models being put in `models`."""
    say("synthesizing")
    (folder / f"{TOP}.il").write_text(component_rtlil(decoder, TOP))
    script = [f"read_rtlil {TOP}.il", *board.after_read, f"synth_ecp5 {board.synth_opts} -top {TOP}"]
    (folder / "synthesize.ys").write_text("\n".join([*script, f"write_verilog -noattr {NETLIST}", ""]))
    run_tool([YOSYS.path(), "-q", "synthesize.ys"], folder, makes=[folder / NETLIST], on_line=say)
    return netlist_top(folder / NETLIST, models)
