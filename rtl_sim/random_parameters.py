"""Random integer parameters for a design: a decoder that has learned nothing, whose values neither vanish nor all saturate."""

from dataclasses import dataclass

import numpy as np

from designs.layer_table import LinearLayer, leak_limits, linear_layer, linear_layers
from designs.number_format import IntFormat, product_sum
from designs.schema import Design
from quant.golden.leaky_mean import leaky_means
from quant.golden.linear import linear
from quant.golden.linear_attention import key_value_state, linear_attention, streaming_attention
from quant.golden.parameters import AttentionShifts, IntegerParameters, LeakShifts, LinearParameters, PreprocessParameters
from quant.golden.pool import pooled_magnitudes, tokenize
from quant.golden.preprocess import preprocess
from quant.golden.requantize import requantize
from quant.golden.residual import residual
from quant.golden.spatial_filter import spatial_filter
from quant.golden.trace import sliding_windows

CALIBRATION_WINDOWS = 4
UNSATURATED_PERCENT = 90
"""Share of a layer's values, by absolute value, that the chosen shift leaves below saturation."""


def random_samples(design: Design, *, tokens: int, seed: int) -> np.ndarray:
    """int64 [tokens * token_samples, channels]: noise on slow swings, now and then clipped to the input format; of ready-made
    tokens the positive half."""
    spec, rng = design.tokenizer, np.random.default_rng(seed)
    shape = (tokens * spec.token_samples, spec.channels)
    swings = np.sin(np.cumsum(rng.standard_normal(shape), axis=0) / 8)
    values = np.round((rng.standard_normal(shape) + 2 * swings) * spec.input.max / 4).astype(np.int64)
    return values.clip(spec.input.min, spec.input.max)


def random_parameters(design: Design, *, seed: int) -> IntegerParameters:
    """Weights over their whole format; every shift chosen by what its layer gives on random samples."""
    rng = np.random.default_rng(seed)
    model, stream = design.model, design.quant.stream
    samples = random_samples(design, tokens=model.tokens + CALIBRATION_WINDOWS - 1, seed=seed)
    gains = random_gains(design, seed=seed)
    if gains is not None:
        samples = preprocess(samples, gains, design.tokenizer)
    front = _random_front(design, samples, rng)
    positions = 0 if model.streaming else model.tokens
    position = rng.integers(stream.min // 8, stream.max // 8, (positions, model.embed_dim), endpoint=True)
    layers: dict[str, LinearParameters] = {}
    shifts: list[AttentionShifts] = []

    def through(name: str, inputs: np.ndarray) -> np.ndarray:
        layer = linear_layer(design, name)
        layers[name] = _random_layer(layer, inputs, rng)
        return linear(inputs, layers[name], layer)

    embed = through("embed", front.tokens)
    current = embed if model.streaming else residual(sliding_windows(embed, model.tokens), position, stream)
    for i in range(model.layers):
        query, key, value = (through(f"block{i}_{name}", current) for name in ("query", "key", "value"))
        shifts.append(_attention_shifts(query, key, value, design, rng))
        if model.streaming:
            attended = streaming_attention(query, key, value, shifts[i], design)[1]
        else:
            attended = linear_attention(query, key, value, shifts[i], design)
        current = residual(current, through(f"block{i}_project", attended), stream)
        current = residual(current, through(f"block{i}_contract", through(f"block{i}_expand", current)), stream)
    mean_shift, pool_leak = 0, LeakShifts()
    if model.streaming:
        pool_leak = _random_leak(design, stream, rng)
        through("readout", leaky_means(current, pool_leak, stream))
    elif model.pool == "mean":
        sums = current.sum(axis=-2)
        mean_shift = _shift(sums, stream)
        through("readout", requantize(sums, mean_shift, stream))
    else:
        through("readout", current.reshape(len(current), model.pooled_dim))
    return IntegerParameters(
        design,
        front.token_shift,
        {layer.name: layers[layer.name] for layer in linear_layers(design)},
        position,
        tuple(shifts),
        mean_shift,
        readout_scale=1.0,
        spatial_weight=front.spatial_weight,
        spatial_shift=front.spatial_shift,
        preprocess=gains,
        pool_leak=pool_leak,
    )


@dataclass(frozen=True)
class RandomFront:
    """Everything in front of the embedding, and the tokens it makes of the calibration samples."""

    tokens: np.ndarray
    token_shift: np.ndarray
    spatial_weight: np.ndarray | None = None
    spatial_shift: int = 0


def _random_front(design: Design, samples: np.ndarray, rng: np.random.Generator) -> RandomFront:
    spec = design.tokenizer
    if spec.ready:
        return RandomFront(samples, np.zeros((spec.channels, 1), np.int64))
    weight, shift, mixed = None, 0, samples
    if spec.spatial is not None:
        format = spec.spatial.weight
        weight = rng.integers(format.min, format.max, (spec.bank_channels, spec.channels), endpoint=True)
        shift = _shift(samples @ weight.T, spec.sample)
        mixed = spatial_filter(samples, weight, shift, spec)
    pooled = pooled_magnitudes(mixed, spec.bank)
    token_shift = np.array([[_shift(column, spec.token) for column in rows] for rows in pooled.transpose(1, 2, 0)])
    return RandomFront(tokenize(mixed, spec.bank, token_shift), token_shift, weight, shift)


def random_gains(design: Design, *, seed: int) -> PreprocessParameters | None:
    """Gains that neither vanish nor all saturate, one channel masked; None where the design does not preprocess."""
    rng, spec = np.random.default_rng(seed), design.tokenizer
    if spec.preprocess is None:
        return None
    dead = np.arange(spec.channels) == rng.integers(spec.channels)
    return PreprocessParameters(rng.integers(-2, 2, spec.channels), dead.astype(np.int64))


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


def _random_leak(design: Design, new: IntFormat, rng: np.random.Generator) -> LeakShifts:
    """Any that the formats allow; finer scales, whose means saturate, up to 2 octaves."""
    kept, added = leak_limits(design, new)
    coarser = int(rng.integers(-min(added, 2), kept, endpoint=True))
    return LeakShifts(max(coarser, 0), max(-coarser, 0))


def _attention_shifts(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, design: Design, rng: np.random.Generator
) -> AttentionShifts:
    if design.model.streaming:
        activation = design.quant.activation
        leak = _random_leak(design, product_sum(activation.unsigned(), activation, 1), rng)
        states = leaky_means(key[:, :, None] * value[:, None, :], leak, design.quant.stream)
        return AttentionShifts(0, _shift((query[:, None, :] @ states)[:, 0], design.quant.stream), leak=leak)
    state = _shift(np.swapaxes(key, -1, -2) @ value, design.quant.stream)
    sums = query @ key_value_state(key, value, AttentionShifts(state, 0), design)
    return AttentionShifts(state, _shift(sums, design.quant.stream))
