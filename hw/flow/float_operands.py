"""The decoder at full precision on its own test streams, in numpy: what a binary32 multiply-add would be given."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from designs.layer_table import linear_layers
from designs.schema import Design
from hw.flow.operands import Factors, source_of
from hw.flow.step import WrongInput
from quant.golden.trace import sliding_windows

Tensors = dict[str, np.ndarray]


def read_checkpoint(path: Path) -> Tensors:
    """The float decoder's tensors under the names of models/ind.py. WrongInput, one line, for anything else."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WrongInput(f"{path.name}: not a readable checkpoint ({str(error).splitlines()[0]}); train it again") from error


def float_trace(tokens: np.ndarray, tensors: Tensors, design: Design) -> Tensors:
    """tokens int [tokens, features] of one stream -> float32 streams named as in designs.layer_table, one window per row.

    The forward of models/ind.py. Tokens are standardised by their own mean and spread, not by those of training: the integer
    tokens have another unit than the ones that training saw.
    """
    spread = np.maximum(tokens.std(axis=0), 1.0)
    standardised = ((tokens - tokens.mean(axis=0)) / spread).astype(np.float32)

    def dense(inputs: np.ndarray, name: str) -> np.ndarray:
        return inputs @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    scale = np.float32(2.0**-design.model.mean_shift)
    current = sliding_windows(dense(standardised, "embed"), design.model.tokens) + tensors["position"]
    found = {"tokens": standardised, "window": current}
    for i in range(design.model.layers):
        block, ours = f"blocks.{i}.", f"block{i}_"
        query, key = (np.maximum(dense(current, f"{block}attention.{name}"), 0) for name in ("query", "key"))
        value = dense(current, f"{block}attention.value")
        attention = query @ (np.swapaxes(key, -1, -2) @ value * scale)
        attended = current + dense(attention, f"{block}attention.project")
        hidden = np.maximum(dense(attended, f"{block}expand"), 0)
        current = attended + dense(hidden, f"{block}contract")
        found |= {f"{ours}attention": attention, f"{ours}attended": attended, f"{ours}expand": hidden, f"{ours}out": current}
    found["pool"] = current.sum(axis=-2) * scale
    return found


def float_factors(design: Design, tensors: Tensors, trace: Tensors) -> Iterator[Factors]:
    """Every dense layer with the activations it met and its weights, float32; the twin of hw.flow.operands.dense_factors."""
    for layer in linear_layers(design):
        source = source_of(layer)
        if layer.name == "readout" and design.model.pool == "none":
            source = f"block{design.model.layers - 1}_out"
        block, _, part = layer.name.rpartition("_")
        inside = "attention." if part in ("query", "key", "value", "project") else ""
        name = f"{block.replace('block', 'blocks.')}.{inside}{part}" if block else part
        yield Factors(layer.macs, trace[source].reshape(-1, layer.inputs), tensors[f"{name}.weight"])
