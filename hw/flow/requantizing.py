"""What free scales would multiply: the sums that requantizations take, and multipliers for them, as operands of a unit."""

from collections.abc import Sequence

import numpy as np

from designs.layer_table import linear_layers, tokens_at_once
from designs.number_format import IntFormat
from designs.schema import Design
from hw.flow.operands import STEPS, Factors, attention_factors, dense_factors, joined_trace
from hw.flow.unit_energy import Feed
from hw.power.gate_simulator import LANES
from hw.reference.integer_units import BareMultiplier
from quant.golden.parameters import IntegerParameters

SUM, MULTIPLIER = IntFormat(24), IntFormat(17)
"""Of the two factors: a multiplier is normalised to 16 bits and its sign, and a shift takes the rest."""


def requantized_outputs(design: Design) -> int:
    """Values per decision that a scale is changed of: outputs of the layers but the readout, states, attention, pool."""
    model = design.model
    dense = sum(layer.outputs * layer.tokens for layer in linear_layers(design)[:-1])
    attention = model.layers * (model.embed_dim**2 + tokens_at_once(design) * model.embed_dim)
    return dense + attention + (model.embed_dim if model.pool == "mean" else 0)


def requantizing_feeds(
    design: Design, parameters: IntegerParameters, stretches: Sequence[np.ndarray], rng: np.random.Generator
) -> dict[str, Feed]:
    """A bare multiplier for scales per tensor, and one for scales per channel: the same circuit with other operands.

    Sums come along the outputs of a row, as a decoder makes them; those of attention have one multiplier in both. Which
    multipliers training would find is not known: they are drawn, log-uniform, as mantissas of ratios of scales are.
    """
    trace = joined_trace(stretches, parameters)
    parts = [(found, True) for layer, found in dense_factors(design, parameters, trace) if layer.name != "readout"]
    parts += [(found, False) for _, found in attention_factors(design, parameters, trace)]
    total = sum(found.products / found.rows.shape[-1] for found, _ in parts)
    sums, tensor, channel = [], [], []
    for found, dense in parts:
        made = _sums(found, max(1, round(STEPS * found.products / found.rows.shape[-1] / total)), rng)
        sums.append(made.clip(SUM.min, SUM.max))
        tensor.append(np.broadcast_to(_mantissas(rng, (1, 1)), made.shape))
        own = _mantissas(rng, (1, found.columns.shape[-2])).repeat(1 + made.shape[1] // found.columns.shape[-2], 0)
        channel.append(np.broadcast_to(own.reshape(1, -1)[:, : made.shape[1]], made.shape) if dense else tensor[-1])
    a = np.concatenate(sums, axis=1)
    factors = {"per_tensor": np.concatenate(tensor, axis=1), "per_channel": np.concatenate(channel, axis=1)}
    return {
        f"requantize_{name}": Feed(BareMultiplier(SUM, MULTIPLIER), {"a": a, "b": b}, {"o": a * b})
        for name, b in factors.items()
    }


def _sums(found: Factors, outputs: int, rng: np.random.Generator) -> np.ndarray:
    """int64 [LANES, outputs]: of rows drawn by `rng`, all outputs of one after the other, cut to so many."""
    columns = found.columns.shape[-2]
    rows = rng.integers(0, len(found.rows), (LANES, -(-outputs // columns)))
    chosen = found.rows[rows]
    if found.columns.ndim == 2:
        made = np.einsum("lri,ci->lrc", chosen, found.columns)
    else:
        made = np.einsum("lri,lrci->lrc", chosen, found.columns[rows])
    return made.reshape(LANES, -1)[:, :outputs]


def _mantissas(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """From 2 ** 15 to 2 ** 16 - 1."""
    return np.floor(2.0 ** (15 + rng.random(shape))).astype(np.int64)
