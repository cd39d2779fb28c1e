"""Random integer parameters for a design: a decoder that has learned nothing, whose values neither vanish nor all saturate."""

import numpy as np

from designs.layer_table import LinearLayer, linear_layer, linear_layers
from designs.number_format import IntFormat
from designs.schema import Design
from quant.golden.linear import linear
from quant.golden.linear_attention import key_value_state, linear_attention
from quant.golden.parameters import AttentionShifts, IntegerParameters, LinearParameters
from quant.golden.pool import pooled_magnitudes, tokenize
from quant.golden.requantize import requantize
from quant.golden.residual import residual
from quant.golden.trace import sliding_windows

CALIBRATION_WINDOWS = 4
UNSATURATED_PERCENT = 90
"""Share of a layer's values, by absolute value, that the chosen shift leaves below saturation."""


def random_samples(design: Design, *, tokens: int, seed: int) -> np.ndarray:
    """int64 [tokens * token_samples, channels]: noise on slow swings, now and then clipped to the sample format."""
    spec, rng = design.tokenizer, np.random.default_rng(seed)
    shape = (tokens * spec.token_samples, spec.channels)
    swings = np.sin(np.cumsum(rng.standard_normal(shape), axis=0) / 8)
    values = np.round((rng.standard_normal(shape) + 2 * swings) * spec.sample.max / 4).astype(np.int64)
    return values.clip(spec.sample.min, spec.sample.max)


def random_parameters(design: Design, *, seed: int) -> IntegerParameters:
    """Weights over their whole format; every shift chosen by what its layer gives on random samples."""
    rng = np.random.default_rng(seed)
    model, stream = design.model, design.quant.stream
    samples = random_samples(design, tokens=model.tokens + CALIBRATION_WINDOWS - 1, seed=seed)
    pooled = pooled_magnitudes(samples, design.tokenizer)
    token_shift = np.array([[_shift(column, design.tokenizer.token) for column in rows] for rows in pooled.transpose(1, 2, 0)])
    position = rng.integers(stream.min // 8, stream.max // 8, (model.tokens, model.embed_dim), endpoint=True)
    layers: dict[str, LinearParameters] = {}
    shifts: list[AttentionShifts] = []

    def through(name: str, inputs: np.ndarray) -> np.ndarray:
        layer = linear_layer(design, name)
        layers[name] = _random_layer(layer, inputs, rng)
        return linear(inputs, layers[name], layer)

    embed = through("embed", tokenize(samples, design.tokenizer, token_shift))
    current = residual(sliding_windows(embed, model.tokens), position, stream)
    for i in range(model.layers):
        query, key, value = (through(f"block{i}_{name}", current) for name in ("query", "key", "value"))
        shifts.append(_attention_shifts(query, key, value, design))
        attended = linear_attention(query, key, value, shifts[i], design)
        current = residual(current, through(f"block{i}_project", attended), stream)
        current = residual(current, through(f"block{i}_contract", through(f"block{i}_expand", current)), stream)
    sums = current.sum(axis=-2)
    mean_shift = _shift(sums, stream)
    through("readout", requantize(sums, mean_shift, stream))
    ordered = {layer.name: layers[layer.name] for layer in linear_layers(design)}
    return IntegerParameters(design, token_shift, ordered, position, tuple(shifts), mean_shift, readout_scale=1.0)


def _shift(values: np.ndarray, out: IntFormat) -> int:
    """The smallest shift that brings UNSATURATED_PERCENT of |values| into `out`."""
    size = int(np.percentile(np.abs(values), UNSATURATED_PERCENT))
    return max(0, (size // (out.max + 1)).bit_length())


def _random_layer(layer: LinearLayer, inputs: np.ndarray, rng: np.random.Generator) -> LinearParameters:
    weight = rng.integers(layer.weight.min, layer.weight.max, (layer.outputs, layer.inputs), endpoint=True)
    products = inputs @ weight.T
    # a bias that takes the layer's mean away, so that a ReLU cuts about half
    centre = -np.round(products.reshape(-1, layer.outputs).mean(axis=0)).astype(np.int64)
    spread = max(1, int(products.std()) // 4)
    bias = (centre + rng.integers(-spread, spread, layer.outputs, endpoint=True)).clip(layer.bias.min, layer.bias.max)
    return LinearParameters(weight, bias, 0 if layer.out is None else _shift(products + bias, layer.out))


def _attention_shifts(query: np.ndarray, key: np.ndarray, value: np.ndarray, design: Design) -> AttentionShifts:
    state = _shift(np.swapaxes(key, -1, -2) @ value, design.quant.stream)
    sums = query @ key_value_state(key, value, AttentionShifts(state, 0), design)
    return AttentionShifts(state, _shift(sums, design.quant.stream))
