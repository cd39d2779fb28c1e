"""Accuracy beside energy: rows ind_q:... of models.benchmark joined with what a decision takes in their widths and scales.

python -m quant.comparison.table --benchmark out/quantizers/benchmark.csv --write
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from designs.schema import DesignError
from designs.width_energy import WidthEnergies, WidthEnergyError, read_width_energies
from models.measured_document import table, write_below
from models.metrics import WORST_R2
from quant.comparison.measured import Cell, Line, TableError, columns_of, read_means, table_lines
from quant.comparison.picture import draw

DOCUMENT = Path("docs/quantizers.md")
MARK = "<!-- below: written by python -m quant.comparison.table -->"


def markdown(lines: Sequence[Line], columns: Sequence[str]) -> str:
    """The table; an empty cell was not measured."""
    head = ["method", "shared", "scale", "widths", *columns, "mean over recordings", "floor, nJ", "built, nJ"]
    rows = []
    for line in lines:
        cells = [_shown(line.cells.get(column)) for column in columns]
        mean = "" if line.mean is None else f"{line.mean:.3f}"
        energy = ["" if value is None else f"{value:,.0f}" for value in (line.floor_nj, line.built_nj)]
        rows.append([line.method, line.shared, line.scale, line.widths, *cells, mean, *energy])
    return table(head, rows)


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return ""
    return f"{cell.mean:.3f}" + ("" if cell.spread is None else f" ± {cell.spread:.3f}")


def section(lines: Sequence[Line], columns: Sequence[str], energies: WidthEnergies, picture: str) -> str:
    """What stands below the mark."""
    return (
        "## Accuracy and energy\n\n"
        "Accuracy is of the decoder that each recording gets (`models.ind_benchmark.design_for`), energy of a decoder of "
        "ind_int4's size in the same widths: a decision of the recording's own decoder takes more or less. Mean over seeds and "
        "folds, ± its standard deviation over seeds where there are several; the mean over recordings weighs every column "
        f"alike, each as {WORST_R2:g} at least. Floor: bare multipliers, and where scales are free those "
        "of the requantizers; built: the whole decoder, where one with these widths and scales is built "
        f"(designs/width_energy.py says what counts). {energies.corner}, `{energies.command}`.\n\n"
        f"{markdown(lines, columns)}\n![mean over recordings against energy]({picture})\n"
    )


def write_document(text: str, path: Path) -> None:
    """Below the mark of the document, a new one where there is none."""
    write_below(MARK, text, path, title="Quantizers")


def make_table(benchmarks: Sequence[Path], document: Path, *, write: bool) -> str:
    """The section; with `write` in `document` too, its picture beside it. Raises TableError, DesignError, WidthEnergyError."""
    means, energies = read_means(benchmarks), read_width_energies()
    lines, picture = table_lines(means, energies), document.with_name(f"{document.stem}_energy.svg")
    text = section(lines, columns_of(means), energies, picture.name)
    if write:
        document.parent.mkdir(parents=True, exist_ok=True)
        draw(lines, picture)
        write_document(text, document)
    return text


def command(
    benchmark: Annotated[
        list[Path], typer.Option(help="benchmark.csv that models.benchmark wrote for models ind,ind_q; repeatable")
    ],
    write: Annotated[bool, typer.Option("--write", help="put it into the document instead of printing it")] = False,
    document: Annotated[Path, typer.Option(help="what --write writes, below its mark")] = DOCUMENT,
) -> None:
    """Join measured accuracies of quantizers with the energy of their widths.

    Exit codes: 0 good, 2 wrong use or input.
    """
    try:
        text = make_table(benchmark, document, write=write)
    except (TableError, DesignError, WidthEnergyError, OSError) as error:
        line = f"quant.comparison.table: {' '.join(str(error).split())}"
        Console(stderr=True, markup=False, emoji=False).print(line, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    print(f"{document} and its picture are written" if write else text)


if __name__ == "__main__":
    typer.run(command)
