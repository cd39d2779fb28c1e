"""What is multiplied in a decision, drawn from the integer decoder on its own test streams: operands for bare units."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from designs.decoding_set import DecodingSet
from designs.layer_table import LinearLayer, linear_layers
from designs.schema import Design, TokenizerSpec
from hw.plan.necessary_work import Operands, attention_operands
from hw.power.gate_simulator import LANES
from quant.golden.linear_attention import key_value_state
from quant.golden.morlet import HALF_BAND
from quant.golden.parameters import IntegerParameters
from quant.golden.preprocess import preprocess
from quant.golden.trace import Trace, bank_samples, trace_samples
from quant.golden.wavelet_bank import octave_samples


@dataclass(frozen=True)
class Sequences:
    """[LANES, steps] each: the two factors, and 1 where a sum begins."""

    a: np.ndarray
    b: np.ndarray
    first: np.ndarray


@dataclass(frozen=True)
class Factors:
    """A matrix product: [rows, inputs] times [columns, inputs] or, where every row has its own, [rows, columns, inputs].

    products: multiplications of it in a decision.
    """

    products: int
    rows: np.ndarray
    columns: np.ndarray


STEPS = 512
"""About so many products of each pair of formats, in each lane."""
STRETCH_TOKENS = 200
"""Tokens of a test stream that are decoded for it, from its beginning."""


def stretches_to_trace(found: DecodingSet, design: Design) -> list[np.ndarray]:
    """int64 [samples, channels]: the beginnings of the test streams that hold a whole window."""
    length, tokens = design.tokenizer.token_samples, design.model.tokens
    streams = [found.streams[i][: STRETCH_TOKENS * length].astype(np.int64) for i in found.test_streams()]
    return [stream for stream in streams if len(stream) >= tokens * length]


def joined_trace(stretches: Sequence[np.ndarray], parameters: IntegerParameters) -> Trace:
    """Every inner stream of every decision of the stretches."""
    traces = [trace_samples(stretch, parameters) for stretch in stretches]
    return {name: np.concatenate([trace[name] for trace in traces]) for name in traces[0]}


def source_of(layer: LinearLayer) -> str:
    """The stream of designs.layer_table that the layer multiplies by its weights."""
    block, _, part = layer.name.rpartition("_")
    if part in ("query", "key", "value"):
        index = int(block.removeprefix("block"))
        return "window" if index == 0 else f"block{index - 1}_out"
    found = {"project": "attention", "expand": "attended", "contract": "expand"}.get(part)
    return {"embed": "tokens", "readout": "pool"}.get(layer.name) or f"{block}_{found}"


def product_operands(
    design: Design, parameters: IntegerParameters, stretches: Sequence[np.ndarray], rng: np.random.Generator
) -> dict[Operands, Sequences]:
    """Pair of formats -> its products, one sum after the other: along the inputs of an output, along the tokens of a state.

    Layers come in proportion to their products; which decision, token and output a sum belongs to is drawn by `rng`.
    """
    found: dict[Operands, list[Factors]] = {}
    trace = joined_trace(stretches, parameters)
    for layer, factors in dense_factors(design, parameters, trace):
        found.setdefault((layer.input, layer.weight), []).append(factors)
    for operands, factors in attention_factors(design, parameters, trace):
        found.setdefault(operands, []).append(factors)
    spatial = design.tokenizer.spatial
    if parameters.spatial_weight is not None and spatial is not None:
        samples = np.concatenate(stretches)
        if parameters.preprocess is not None:
            samples = preprocess(samples, parameters.preprocess, design.tokenizer)
        mixed = design.tokenizer.token_samples * parameters.spatial_weight.size
        factors = Factors(mixed, samples, parameters.spatial_weight)
        found.setdefault((design.tokenizer.sample, spatial.weight), []).append(factors)
    return {operands: drawn(parts, rng) for operands, parts in found.items()}


def dense_factors(design: Design, parameters: IntegerParameters, trace: Trace) -> Iterator[tuple[LinearLayer, Factors]]:
    """Every dense layer with the activations it met and its weights."""
    for layer in linear_layers(design):
        source = source_of(layer)
        if source not in trace:  # tokens one by one have no window, a readout of all tokens no pool
            source = "embed" if source == "window" else f"block{design.model.layers - 1}_out"
        yield layer, Factors(layer.macs, trace[source].reshape(-1, layer.inputs), parameters.linear[layer.name].weight)


def attention_factors(design: Design, parameters: IntegerParameters, trace: Trace) -> Iterator[tuple[Operands, Factors]]:
    """What makes each block's state, and what reads it."""
    making, reading = attention_operands(design)
    for block, shifts in enumerate(parameters.attention):
        query, key, value = (trace[f"block{block}_{name}"] for name in ("query", "key", "value"))
        width = query.shape[-1]
        if query.ndim == 2:  # token by token: the outer product of one, along its values
            keys = np.broadcast_to(key[..., None], (*key.shape, width))
            yield making, Factors(width**2, value, keys)
            yield reading, Factors(width**2, query, np.swapaxes(trace[f"block{block}_state"], -1, -2))
            continue
        state, products = key_value_state(key, value, shifts, design), query.shape[-2] * width**2
        yield making, Factors(products, np.swapaxes(value, -1, -2)[:, 0], np.swapaxes(key, -1, -2))
        yield reading, Factors(products, query[:, -1], np.swapaxes(state, -1, -2))


def drawn(parts: Sequence[Factors], rng: np.random.Generator) -> Sequences:
    """About STEPS products of `parts`, in whole sums: each part in proportion to its products, at least one sum of it."""
    total = sum(part.products for part in parts)
    a, b, first = [], [], []
    for part in parts:
        inputs = part.rows.shape[-1]
        runs = max(1, round(STEPS * part.products / total / inputs))
        row = rng.integers(0, len(part.rows), (LANES, runs))
        column = rng.integers(0, part.columns.shape[-2], (LANES, runs))
        chosen = part.columns[column] if part.columns.ndim == 2 else part.columns[row, column]
        a.append(part.rows[row].reshape(LANES, -1))
        b.append(chosen.reshape(LANES, -1))
        first.append(np.tile(np.arange(inputs) == 0, (LANES, runs)).astype(np.int64))
    return Sequences(*(np.concatenate(each, axis=1) for each in (a, b, first)))


def tap_operands(
    design: Design, parameters: IntegerParameters, stretches: Sequence[np.ndarray], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Name of hw.plan.necessary_work.TapConstants -> int64 [LANES, steps]: folded samples of steps drawn by `rng`, octaves as
    often as they come. What is multiplied one after the other is of different channels, as in the bank."""
    spec = design.tokenizer.bank
    signals = [list(octave_samples(bank_samples(stretch, parameters), spec)) for stretch in stretches]
    every = _windows(signals, spec, range(spec.octaves), rng)
    half, found = spec.taps // 2, {}
    for tap in range(half):
        found[f"added_{tap}"] = every[..., tap] + every[..., spec.taps - 1 - tap]
        found[f"differed_{tap}"] = every[..., tap] - every[..., spec.taps - 1 - tap]
    if spec.octaves > 1:
        above, reach = _windows(signals, spec, range(spec.octaves - 1), rng), len(HALF_BAND)
        parts = [above[..., end - reach : end] for end in (spec.taps - 2, spec.taps)]
        for tap in range(reach // 2 + 1):
            if HALF_BAND[tap]:
                other = 0 if tap == reach // 2 else 1
                folded = [part[..., tap] + other * part[..., reach - 1 - tap] for part in parts]
                found[f"half_band_{tap}"] = np.stack(folded, axis=-1).reshape(LANES, -1)
    return found


def _windows(
    signals: Sequence[Sequence[np.ndarray]], spec: TokenizerSpec, octaves: range, rng: np.random.Generator
) -> np.ndarray:
    """int64 [LANES, steps, taps]: what steps look at, octave o half as often as the one above it."""
    likely = 0.5 ** np.array(octaves)
    chosen = rng.choice(np.array(octaves), (LANES, STEPS // 2), p=likely / likely.sum())
    found = np.zeros((*chosen.shape, spec.taps), np.int64)
    for octave in octaves:
        padded = [np.concatenate([np.zeros((spec.taps - 2, spec.channels), np.int64), each[octave]]) for each in signals]
        views = [np.lib.stride_tricks.sliding_window_view(each, spec.taps, axis=0)[::2] for each in padded]
        steps = np.concatenate(views)
        places = np.nonzero(chosen == octave)
        count = len(places[0])
        found[places] = steps[rng.integers(0, len(steps), count), rng.integers(0, spec.channels, count)]
    return found
