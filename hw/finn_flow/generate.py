"""Linear layer -> FINN's RTL matrix-vector unit (MVAU), and what FINN expects it to cost.

The unit is generated from a one-node graph: weights are streamed in, so none of its integers depends on the training, and
a layer's sizes, folding and formats say everything. docs/finn_backend.md tells how the files are used.
"""

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from finn.custom_op.fpgadataflow.matrixvectoractivation import MVAU
from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.util.basic import qonnx_make_model
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table

from designs.catalogue import find_design
from designs.layer_table import LinearLayer, linear_layers
from designs.schema import Design, DesignError
from hw.finn_flow import settings
from hw.finn_flow.mend import mend_library
from hw.finn_flow.unit import generated_weight, module_name
from hw.plan.folding import Folding, fold, linear_cycles
from hw.rtl.emit import EmitError


@dataclass(frozen=True)
class Estimate:
    """What FINN expects of one layer, beside our own plan; cycles are per decision, all tokens."""

    layer: str
    inputs: int
    outputs: int
    tokens: int
    pe: int
    simd: int
    input: str
    weight: str
    generated_weight: str
    acc: str
    finn_cycles: int
    plan_cycles: int
    finn_dsp: int
    finn_lut_without_dsp: int
    """FINN's LUT formula with the multipliers in LUTs (Blott et al., FINN-R); its RTL unit itself is estimated as 0 LUTs."""


@dataclass(frozen=True)
class MvauFiles:
    """One generated unit: top module `module` in `wrapper`, beside the mended library files that all units share."""

    module: str
    wrapper: Path
    library: tuple[Path, ...]
    estimate: Estimate

    @property
    def files(self) -> tuple[Path, ...]:
        return (*self.library, self.wrapper)


def generate_mvau(layer: LinearLayer, folding: Folding, folder: Path) -> MvauFiles:
    """Write the unit of `layer` and the library it needs into `folder`; wrappers of other layers there are kept."""
    settings.prepare(folder)
    model = _specialised(layer, folding)
    unit = _unit(model)
    unit.set_nodeattr("code_gen_dir_ipgen", str(folder))
    unit.generate_hdl(model, settings.FPGA_PART, settings.CLOCK_NS)
    generated, *library = (Path(path) for path in unit.get_rtl_file_list(abspath=True))
    wrapper = folder / f"{module_name(layer)}.v"
    wrapper.write_text(_whole_parameters(generated.read_text(encoding="utf-8")), encoding="utf-8")
    generated.unlink()
    return MvauFiles(module_name(layer), wrapper, mend_library(library, folder), _estimate(layer, folding, unit))


def estimate_mvau(layer: LinearLayer, folding: Folding, folder: Path) -> Estimate:
    """FINN's expectation alone, nothing generated; `folder` serves as FINN's scratch folder."""
    settings.prepare(folder)
    return _estimate(layer, folding, _unit(_specialised(layer, folding)))


def _graph(layer: LinearLayer, folding: Folding, style: str) -> ModelWrapper:
    """One MVAU node without thresholds, activations and weights as streams."""
    types = {"in0": layer.input.name, "in1": generated_weight(layer).name, "out0": layer.bias.name}
    shapes = {"in0": [layer.tokens, layer.inputs], "in1": [layer.inputs, layer.outputs], "out0": [layer.tokens, layer.outputs]}
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()}
    node = helper.make_node(
        "MVAU",
        ["in0", "in1"],
        ["out0"],
        domain="finn.custom_op.fpgadataflow",
        backend="fpgadataflow",
        MW=layer.inputs,
        MH=layer.outputs,
        PE=folding.pe,
        SIMD=folding.simd,
        inputDataType=types["in0"],
        weightDataType=types["in1"],
        outputDataType=types["out0"],
        accDataType=types["out0"],
        noActivation=1,
        mem_mode="external",
        numInputVectors=[layer.tokens],
        preferred_impl_style=style,
    )
    graph = helper.make_graph([node], layer.name, [values["in0"], values["in1"]], [values["out0"]])
    model = ModelWrapper(qonnx_make_model(graph))
    for name, datatype in types.items():
        model.set_tensor_datatype(name, DataType[datatype])
    return model


def _specialised(layer: LinearLayer, folding: Folding, style: str = "rtl") -> ModelWrapper:
    """The graph with its node bound to FINN's RTL or HLS library; EmitError when FINN takes another one than asked."""
    model = _graph(layer, folding, style).transform(SpecializeLayers(settings.FPGA_PART))
    node = model.graph.node[0]
    if node.op_type != f"MVAU_{style}":
        raise EmitError(
            f"{layer.name}: FINN has no RTL unit for {layer.input} inputs and {layer.weight} weights; "
            "use --backend amaranth for this design"
        )
    node.name = module_name(layer)
    return model


def _unit(model: ModelWrapper) -> MVAU:
    return getCustomOp(model.graph.node[0])


def _whole_parameters(text: str) -> str:
    """FINN prints the segment length as a real number, which Verilog tools take only with a warning."""
    return "\n".join(line.replace(".0,", ",") if "SEGMENTLEN =" in line else line for line in text.split("\n"))


def _estimate(layer: LinearLayer, folding: Folding, unit: MVAU) -> Estimate:
    in_luts = _unit(_specialised(layer, folding, style="hls"))
    return Estimate(
        layer=layer.name,
        inputs=layer.inputs,
        outputs=layer.outputs,
        tokens=layer.tokens,
        pe=folding.pe,
        simd=folding.simd,
        input=layer.input.name,
        weight=layer.weight.name,
        generated_weight=generated_weight(layer).name,
        acc=layer.bias.name,
        finn_cycles=unit.get_exp_cycles(),
        plan_cycles=linear_cycles(layer, folding),
        finn_dsp=unit.dsp_estimation(settings.FPGA_PART),
        finn_lut_without_dsp=in_luts.lut_estimation(settings.FPGA_PART),
    )


def table(design: Design, found: tuple[Estimate, ...]) -> Table:
    """The estimates as one row per layer."""
    shown = Table(
        title=f"{design.name}: FINN's MVAU on {settings.FPGA_PART}, cycles per decision",
        box=SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
    )
    for heading in ("layer", "in>out", "vectors", "fold", "formats", "cycles", "plan", "DSP58", "LUT"):
        shown.add_column(heading, justify="left" if heading in ("layer", "formats") else "right", no_wrap=True)
    for row in found:
        weight = row.weight if row.weight == row.generated_weight else f"{row.weight} as {row.generated_weight}"
        shown.add_row(
            row.layer,
            f"{row.inputs}>{row.outputs}",
            str(row.tokens),
            f"{row.pe}x{row.simd}",
            f"{row.input} {weight}",
            str(row.finn_cycles),
            str(row.plan_cycles),
            str(row.finn_dsp),
            str(row.finn_lut_without_dsp),
        )
    return shown


def main(
    design_name: Annotated[str, typer.Argument(metavar="DESIGN", help="a named design, for example ind_int4")],
    out: Annotated[Path, typer.Option(help="folder for the Verilog files and estimates.json")],
) -> None:
    """Generate FINN's matrix-vector unit of every linear layer and print what FINN expects of it.

    Example: python -m hw.finn_flow.generate ind_int4 --out out/ind_int4/finn
    """
    try:
        design = find_design(design_name)
        design = replace(design, hardware=replace(design.hardware, backend="finn"))
        folding = fold(design)
        layers = track(linear_layers(design), description="FINN units", console=Console(stderr=True), transient=True)
        found = tuple(generate_mvau(layer, folding[layer.name], out).estimate for layer in layers)
    except (DesignError, EmitError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    (out / "estimates.json").write_text(json.dumps([asdict(row) for row in found], indent=1) + "\n", encoding="utf-8")
    Console().print(table(design, found))


if __name__ == "__main__":
    typer.run(main)
