"""Simulated cycles and windows per second of the whole decoder: cocotb against the C++ harness, in one run."""

import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.decoder_in_cocotb import RESULTS, SEED
from designs.catalogue import find_design
from designs.schema import Design, DesignError
from hw.rtl.emit import EmitError, emit, emit_guarded
from rtl_sim.harness import HarnessError, simulate
from rtl_sim.random_parameters import random_parameters, random_samples
from rtl_sim.runner import run_testbench
from rtl_sim.verilator import VerilatorError

Row = dict[str, str | float | int]
"""name, cycles, decisions, wall_s, cpu_s."""


def measure_cocotb(design: Design, folder: Path) -> list[Row]:
    """Both ways to wake Python, on the same samples and the same build."""
    results = (folder / "cocotb.jsonl").absolute()
    results.unlink(missing_ok=True)
    os.environ[RESULTS] = str(results)
    done = run_testbench("benchmarks.decoder_in_cocotb", design.name, folder=folder, optimise="-O1")
    if not done.passed:
        raise HarnessError(f"{design.name}: the cocotb run failed (log: {done.log})")
    return [json.loads(line) for line in results.read_text().splitlines()]


def measure_harness(design: Design, folder: Path, windows: int, jobs: int) -> Row:
    """Every tap compared, as in a build; HarnessError where an integer differs, for then the speed means nothing."""
    parameters = random_parameters(design, seed=SEED)
    tokens = -(-windows // jobs) + design.model.tokens - 1
    streams = [random_samples(design, tokens=tokens, seed=seed) for seed in range(jobs)]
    files = emit(design, parameters, folder / "verilog")
    guarded = [emit_guarded(files[1])] if design.hardware.backend != "finn" else files[:1]
    result = simulate(guarded, design, parameters, streams, folder / "harness", jobs=jobs)
    if not result.passed:
        raise HarnessError(f"{design.name}: {result.mismatches} integers differ from the golden model")
    name = f"C++ harness, {jobs} process{'es' if jobs > 1 else ''}"
    return {
        "name": name,
        "cycles": result.cycles,
        "decisions": result.windows,
        "wall_s": result.simulation_s,
        "cpu_s": result.cpu_s,
    }


def with_rates(row: Row, design: Design) -> Row:
    """`row` with cycles and windows per second, of wall and of processor time, and how much faster than real time."""
    cycles, windows, wall_s, cpu_s = (float(row[key]) for key in ("cycles", "decisions", "wall_s", "cpu_s"))
    return row | {
        "cycles_per_s": cycles / wall_s,
        "cycles_per_cpu_s": cycles / cpu_s,
        "windows_per_s": windows / wall_s,
        "times_real_time": windows / wall_s / design.decisions_per_s,
    }


def show(rows: list[Row], design: Design) -> None:
    table = Table(title=f"{design.name}: {design.decisions_per_s:g} decisions per second in real time")
    for heading in ("simulation", "cycles", "decisions", "cycles/s", "cycles/CPU s", "windows/s", "x real time"):
        table.add_column(heading, justify="left" if heading == "simulation" else "right")
    for row in rows:
        rates = [f"{float(row[key]):,.0f}" for key in ("cycles_per_s", "cycles_per_cpu_s")]
        rates += [f"{float(row[key]):,.1f}" for key in ("windows_per_s", "times_real_time")]
        table.add_row(str(row["name"]), f"{row['cycles']:,}", str(row["decisions"]), *rates)
    Console(width=120).print(table)


def main(
    design: Annotated[str, typer.Argument(help="a design of designs/catalogue.py")] = "ind_int4",
    windows: Annotated[int, typer.Option(help="decisions for the harness", min=2)] = 600,
    jobs: Annotated[int, typer.Option(help="processes of the harness", min=1)] = 2,
    cocotb: Annotated[bool, typer.Option(help="measure cocotb too")] = True,
    out: Annotated[Path, typer.Option(help="folder for builds and simulation.json")] = Path("out/benchmarks"),
) -> None:
    """Measure the simulations of a design with random parameters and samples.

    cocotb's few decisions include the time until the first window is full; the harness counts that too, over many more.

    Examples:

        python -m benchmarks.simulation

        python -m benchmarks.simulation ind_tiny --windows 5000 --jobs 1 --no-cocotb
    """
    try:
        found = find_design(design)
        folder = out / design
        folder.mkdir(parents=True, exist_ok=True)
        rows = measure_cocotb(found, folder) if cocotb else []
        rows += [measure_harness(found, folder, windows, count) for count in sorted({1, jobs})]
    except (DesignError, EmitError, HarnessError, VerilatorError) as error:
        typer.echo(f"benchmarks: {error}", err=True)
        raise typer.Exit(1 if isinstance(error, HarnessError) else 2) from error
    rows = [with_rates(row, found) for row in rows]
    show(rows, found)
    origin = {"verilator": version("verilator"), "cocotb": version("cocotb"), "processors": os.cpu_count()}
    report = {"design": design, "origin": origin | {"load_average": os.getloadavg()[0]}, "rows": rows}
    (folder / "simulation.json").write_text(json.dumps(report, indent=2) + "\n")
    typer.echo(f"written: {folder / 'simulation.json'}")


if __name__ == "__main__":
    typer.run(main)
