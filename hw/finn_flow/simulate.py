"""The testbench of the matrix-vector core with FINN's unit in its place: `python -m hw.finn_flow.simulate`."""

from pathlib import Path
from typing import Annotated

import typer
from amaranth.hdl import Fragment

from designs.layer_table import LinearLayer
from hw.finn_flow.generate import generate_mvau
from hw.finn_flow.matrix_vector import FinnMatrixVector
from hw.plan.folding import Folding
from rtl_sim.runner import BlockResult, block_variants, run_testbench
from rtl_sim.tb_matrix_vector import CYCLES_PER_VECTOR
from rtl_sim.tb_matrix_vector import __name__ as testbench

BLOCK = "matrix_vector"
DEFAULT_FOLDER = Path("out/rtl_sim/finn")


def simulate_core(variant: str, folder: Path = DEFAULT_FOLDER, *, stall: str = "") -> BlockResult:
    """Put FINN's unit for one variant of rtl_sim.tb_matrix_vector to that testbench: same vectors, same rate asked."""
    layer, folding = sizes(variant)
    unit = FinnMatrixVector(layer, folding)
    files = generate_mvau(layer, folding, folder / "units" / variant).files
    return run_testbench(testbench, variant, stall=stall, folder=folder, stand_in=unit, sources=files)


def cycles_per_vector(result: BlockResult) -> int:
    """What the testbench measured in steady state."""
    return int(result.log.read_text().rpartition(CYCLES_PER_VECTOR)[2].split()[0])


def sizes(variant: str) -> tuple[LinearLayer, Folding]:
    """What a variant of the testbench asks of a core."""
    core = block_variants(BLOCK)[variant]()
    Fragment.get(core, None)  # Amaranth warns of components that are never elaborated
    return core.layer, core.folding


def main(
    variant: Annotated[str, typer.Option(help="only this variant (default: all)")] = "",
    stall: Annotated[str, typer.Option(help="only this stall pattern: never, half, bursts")] = "",
    folder: Annotated[Path, typer.Option(help="where builds and results go")] = DEFAULT_FOLDER,
) -> None:
    """Run the matrix-vector testbench on FINN's units and print one line per test.

    Example: python -m hw.finn_flow.simulate --variant serial
    """
    variants = block_variants(BLOCK)
    if variant and variant not in variants:
        typer.echo(f"simulate: variant {variant!r} is unknown: there are {', '.join(variants)}", err=True)
        raise typer.Exit(2)
    results = [simulate_core(name, folder, stall=stall) for name in ([variant] if variant else variants)]
    for result in results:
        for test, failure in result.failures.items():
            typer.echo(f"{'FAIL' if failure else 'pass'}  {result.variant}  {test.rpartition('.')[2]}  {failure}".rstrip())
    raise typer.Exit(0 if all(result.passed for result in results) else 1)


if __name__ == "__main__":
    typer.run(main)
