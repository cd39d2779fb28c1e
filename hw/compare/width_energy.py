"""`python -m hw.compare.width_energy`: the floor of the implant's decoder in every width, and what free scales add to it."""

import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from designs.decoding_set import DecodingSet
from designs.width_energy import FILE, WidthEnergies, WidthEnergy
from designs.widths import BUILT, WIDTHS, ind_of
from hw.build import FAILED, WRONG, WRONG_INPUT
from hw.flow.display import Display
from hw.flow.floor import SEED, parts_of, unit_feeds
from hw.flow.operands import stretches_to_trace
from hw.flow.requantizing import requantized_outputs, requantizing_feeds
from hw.flow.step import CheckFailed
from hw.flow.tool import REPOSITORY, ToolError, WrongInput, run_module
from hw.flow.unit_energy import UnitEnergy, measure_units
from hw.plan.necessary_work import necessary_work
from hw.targets import ihp_sg13g2
from hw.targets.choose import find_process
from hw.targets.process import Process
from quant.golden.read_qonnx import read_qonnx

DOCUMENT = REPOSITORY / "docs" / "comparison.md"
COMMAND = "python -m hw.compare.width_energy --write"
DECIMALS = 2
SHARED = ("per_tensor", "per_channel")


def width_energy(widths: tuple[int, int], graph: Path, found: DecodingSet, process: Process, folder: Path) -> WidthEnergy:
    """Of one width: units with the operands of its own integer decoder, synthesized, fed, checked and weighed in `folder`."""
    design = ind_of(*widths)
    parameters, work = read_qonnx(graph, design), necessary_work(design)
    stretches = stretches_to_trace(found, design)
    feeds = unit_feeds(design, parameters, found, work)
    feeds |= requantizing_feeds(design, parameters, stretches, np.random.default_rng(SEED))
    units = measure_units(feeds, process, folder)
    per_bit = min(macro.read_pj / macro.width for macro in process.macros) if process.macros else 0.0
    high, low = (parts_of(work, units, figure, per_bit).total_nj for figure in ("high", "low"))
    scales = [_requantizing_nj(units[f"requantize_{shared}"], requantized_outputs(design)) for shared in SHARED]
    built = built_nj(BUILT[widths], design.decisions_per_s) if widths in BUILT and process.name == ihp_sg13g2.NAME else None
    high, low, tensor, channel = (round(value, DECIMALS) for value in (high, low, *scales))
    return WidthEnergy(*widths, high, low, tensor, channel, built)


def _requantizing_nj(unit: UnitEnergy, outputs: int) -> float:
    return outputs * unit.pj["high"] / 1e3


def built_nj(design: str, decisions_per_s: float, document: Path = DOCUMENT) -> float:
    """The high figure of the table of designs in docs/comparison.md, idling included; WrongInput where it has no such row."""
    row = re.search(rf"^\| `{design}` \| [\d.]+ / [\d.]+ / ([\d.]+) \|", document.read_text(encoding="utf-8"), re.MULTILINE)
    if row is None:
        raise WrongInput(f"{document.name}: has no power of {design}; write it with python -m hw.compare --write")
    return round(float(row[1]) * 1e3 / decisions_per_s, DECIMALS)


def as_toml(energies: WidthEnergies) -> str:
    """The file that designs.width_energy reads."""
    lines = [
        "# nJ per decision of a decoder of ind_int4's size in each width; designs/width_energy.py says what each is.",
        f'corner = "{energies.corner}"',
        f'command = "{energies.command}"',
    ]
    for width in energies.widths:
        values = ((field.name, getattr(width, field.name)) for field in fields(width))
        lines += ["", "[[width]]", *(f"{name} = {value}" for name, value in values if value is not None)]
    return "\n".join(lines) + "\n"


def measured(train: Path, out: Path, process: Process, display: Display) -> WidthEnergies:
    """Quantize the decoder of `train` to every width, and measure each; everything is left in `out`."""
    found = DecodingSet.load(train / "decoding_set.npz")
    graphs = out / "graphs"
    graphs.mkdir(parents=True, exist_ok=True)
    made = {widths: graphs / f"{ind_of(*widths).name}.qonnx" for widths in WIDTHS}
    if not all(path.is_file() for path in made.values()):
        arguments: list[str | Path] = ["--train", train, "--out", graphs]
        run_module("quant.comparison.width_graphs", arguments, graphs, makes=list(made.values()), on_line=display.line)
    rows = []
    for widths, graph in made.items():
        folder = out / ind_of(*widths).name
        folder.mkdir(exist_ok=True)
        rows.append(width_energy(widths, graph, found, process, folder))
        display.line(f"{ind_of(*widths).name}: floor {rows[-1].floor_nj} nJ per decision")
    return WidthEnergies(f"{process.name}, {process.typical.label}", COMMAND, tuple(rows))


def main(
    train: Annotated[Path, typer.Option(help="Folder of a trained ind_int4.")] = Path("out/ind_int4/train"),
    out: Annotated[Path, typer.Option(help="Folder for graphs and netlists; graphs that lie there are used again.")] = Path(
        "out/widths"
    ),
    write: Annotated[bool, typer.Option("--write", help="Put the table into designs/width_energy.toml.")] = False,
) -> None:
    """Measure what a decision takes at least in each width, on IHP SG13G2 where PDK_ROOT has it, else on osu018.

    Exit code 0: good; 1: a unit or a tool failed; 2: wrong use or input.
    """
    display = Display()
    try:
        process = find_process(ihp_sg13g2.NAME)
        if write and process.name != ihp_sg13g2.NAME:
            raise WrongInput(f"--write: {process.note}; the table is of {ihp_sg13g2.NAME}: leave out --write, or set PDK_ROOT")
        table = as_toml(measured(train.resolve(), out.resolve(), process, display))
        if write:
            FILE.write_text(table, encoding="utf-8")
    except (*WRONG_INPUT, OSError) as error:
        display.line(str(error), "red")
        raise typer.Exit(WRONG) from None
    except (CheckFailed, ToolError) as error:
        display.line(str(error), "red")
        raise typer.Exit(FAILED) from None
    sys.stdout.write(table)


if __name__ == "__main__":
    typer.run(main)
