"""One trained decoder in every width, as QONNX: what hw.compare.width_energy takes its operands from.

python -m quant.comparison.width_graphs --train out/ind_int4/train --out out/widths/graphs
"""

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from designs.decoding_set import DecodingSet, DecodingSetError
from designs.schema import DesignError
from designs.widths import WIDTHS, ind_of
from models.checkpoint import CheckpointError, load_checkpoint
from models.train import CHECKPOINT, DECODING_SET
from quant.export_qonnx import export_qonnx
from quant.ind_benchmark import quantize
from quant.integer_windows import integer_windows
from quant.quantized import float_embedding, float_filter, front_end


def write_graphs(train: Path, out: Path, seed: int) -> None:
    """`ind_w<weight bits>a<activation bits>.qonnx` for every pair of WIDTHS, each quantized as the product is."""
    found = DecodingSet.load(train / DECODING_SET)
    out.mkdir(parents=True, exist_ok=True)
    of_weight = {}
    for widths in WIDTHS:
        design = ind_of(*widths)
        ind, _ = load_checkpoint(train / CHECKPOINT, design)
        weight = design.quant.weight
        if weight not in of_weight:  # the tokens' shifts depend on it, on nothing else of the widths
            of_weight[weight] = integer_windows(found, design, float_embedding(ind), spatial=float_filter(ind))
        model = quantize(design, ind, of_weight[weight], seed)
        export_qonnx(model, front_end(ind, of_weight[weight]), out / f"{design.name}.qonnx")
        print(f"{design.name}.qonnx", flush=True)


def command(
    train: Annotated[Path, typer.Option(help="folder with ind_int4's model.safetensors and decoding_set.npz")],
    out: Annotated[Path, typer.Option(help="folder for the graphs")],
    seed: Annotated[int, typer.Option(help="seed of batches and augmentation")] = 0,
) -> None:
    """Quantize the trained ind_int4 to every pair of widths and export each to QONNX.

    Exit codes: 0 good, 2 wrong use or input.
    """
    torch.set_num_threads(1)
    try:
        write_graphs(train, out, seed)
    except (DesignError, DecodingSetError, CheckpointError, OSError) as error:
        line = f"quant.comparison.width_graphs: {' '.join(str(error).split())}"
        Console(stderr=True, markup=False, emoji=False).print(line, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    typer.run(command)
