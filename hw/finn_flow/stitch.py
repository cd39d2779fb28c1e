"""The decoder with FINN's unit in every dense layer: one folder of Verilog and SystemVerilog, linted with listed waivers."""

from collections.abc import Mapping
from pathlib import Path

from designs.layer_table import linear_layers
from designs.schema import Design
from hw.finn_flow.generate import generate_mvau
from hw.finn_flow.matrix_vector import FinnMatrixVector
from hw.finn_flow.unit import module_name
from hw.plan.folding import Folding, fold
from hw.rtl.emit import emit
from quant.golden.parameters import IntegerParameters

LIBRARY = ("mvu_pkg.sv", "mvu_vvu_axi.sv", "replay_buffer.sv", "mvu.sv", "mvu_vvu_8sx9_dsp58.sv", "add_multi.sv")
"""FINN's library files in compile order, the package first."""

WAIVERS = {
    "GENUNNAMED": "FINN leaves generate blocks unnamed",
    "PROCASSINIT": "FINN presets registers for FPGAs; every one that matters is reset too",
    "UNUSEDPARAM": "parameters of cores that this configuration does not use",
    "UNUSEDSIGNAL": "cascade and padding bits that this configuration does not use",
    "VARHIDDEN": "mvu.sv repeats names of mvu_pkg.sv",
    "WIDTHEXPAND": "FINN mixes its counters with 32-bit constants",
    "WIDTHTRUNC": "as WIDTHEXPAND, on assignment",
}
"""Verilator warnings that are FINN's, waived in FINN's files alone, and why each is harmless."""

WAIVER_FILE = "finn_waivers.vlt"


def emit_finn(
    design: Design,
    parameters: IntegerParameters,
    folder: Path,
    *,
    folding: Mapping[str, Folding] | None = None,
    preloaded: bool = True,
    taps: bool = True,
) -> list[Path]:
    """Write the decoder into `folder` with FINN's MVAU in every linear layer.

    Returns [ind.v, ind.il, ind_waivers.vlt, the library in compile order, one unit per layer, finn_waivers.vlt]: Verilator
    takes all but ind.il. Arguments as in hw.rtl.emit.emit; raises its EmitError.
    """
    folding = dict(folding) if folding is not None else fold(design)
    for layer in linear_layers(design):
        generate_mvau(layer, folding[layer.name], folder)
    top = emit(design, parameters, folder, folding=folding, preloaded=preloaded, taps=taps, matrix_vector=FinnMatrixVector)
    return [*top, *finn_files(design, folder), write_waivers(design, folder)]


def finn_files(design: Design, folder: Path) -> list[Path]:
    """FINN's sources of an emitted decoder in compile order."""
    units = [f"{module_name(layer)}.v" for layer in linear_layers(design)]
    return [folder / name for name in (*LIBRARY, *units)]


def write_waivers(design: Design, folder: Path) -> Path:
    """Verilator's waiver file: the rules of `WAIVERS` for each of FINN's files, nothing for ours."""
    lines = ["`verilator_config"]
    for rule, reason in WAIVERS.items():
        lines.append(f"// {reason}")
        lines += [f'lint_off -rule {rule} -file "*{path.name}"' for path in finn_files(design, folder)]
    path = folder / WAIVER_FILE
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
