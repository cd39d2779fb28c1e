"""Elaborate: the exported integers to Verilog, once with taps for simulation and once as it is synthesized."""

from pathlib import Path

from designs.metric import Metric
from designs.schema import Design
from hw.flow.artifact import GUARDED_LIST, SOURCE_LIST, Files, Kind
from hw.flow.step import Result, Step, say
from hw.flow.tool import Tool, ToolError
from hw.flow.tools import YOSYS
from hw.plan.folding import fold
from hw.plan.memory import load_frames
from hw.rtl.emit import EmitError, emit, emit_guarded
from quant.golden.parameters import IntegerParameters
from quant.golden.read_qonnx import read_qonnx

AMARANTH = Tool("amaranth", "the Python package amaranth", at_least="0.5.6", distribution="amaranth")


class Elaborate(Step):
    """QONNX to `ind.v`. Memories are not preset: weights come through the load port, in simulation as in the implant."""

    name = "elaborate"
    needs = (Kind.QONNX,)
    makes = (Kind.VERILOG, Kind.TAPPED_VERILOG, Kind.RTL_LOAD)
    tools = (AMARANTH, YOSYS)
    programs = ("hw.finn_flow.stitch",)

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
    """The decoder in its design's backend, and the list of its sources in compile order."""
    try:
        if design.hardware.backend == "finn":
            from hw.finn_flow.stitch import emit_finn  # FINN brings torch: loaded only when it is asked for

            top, *others = emit_finn(design, parameters, folder, preloaded=False, taps=taps)
        else:
            top, *others = emit(design, parameters, folder, preloaded=False, taps=taps)
        guarded = [emit_guarded(folder / "ind.il")] if taps and design.hardware.backend != "finn" else []
    except EmitError as error:
        raise ToolError(str(error)) from error
    sources = [path.name for path in (*others, top) if path.suffix in (".v", ".sv")]
    (folder / SOURCE_LIST).write_text("\n".join(sources) + "\n")
    # FINN's modules are their own: Yosys cannot flatten them in
    fast = [path.name for path in guarded] or sources
    (folder / GUARDED_LIST).write_text("\n".join(fast) + "\n")
