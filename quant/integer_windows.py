"""The decoding set through the integer tokenizer: shifts chosen on training windows, windows of every part."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from designs.decoding_set import PARTS, DecodingSet
from designs.number_format import IntFormat
from designs.schema import Design, TokenizerSpec
from models.standardise import Standardisation, fit_standardisation
from models.window_tensors import WindowTensors, window_tensors
from quant.golden.parameters import PreprocessParameters
from quant.golden.pool import pooled_magnitudes
from quant.golden.preprocess import preprocess
from quant.golden.requantize import saturate
from quant.golden.spatial_filter import spatial_filter
from quant.spatial_weights import integer_filter
from quant.token_shift import balanced_shift, fitting_shift

WINDOWS_COMPARED = 240
"""Windows on which integers are compared, at least, where the test streams have so many."""
STRETCH_TOKENS, STRETCHES_COMPARED = 64, 80
"""Where states run on: tokens of a stretch of a test stream, at most, and stretches on which integers are compared, at most."""
CHANNELS_AT_ONCE = 8
"""Channels that are filtered at a time: bounds memory."""


@dataclass(frozen=True)
class IntegerWindows:
    """token_shift [channels, wavelets]; parts: windows of integer tokens as float32, by name of the part."""

    token_shift: np.ndarray
    parts: dict[str, WindowTensors]
    compared: np.ndarray
    """int64 [windows, tokens, features] of `compared_ends`, the labelled test windows first."""
    test_streams: dict[int, np.ndarray]
    """int64 [tokens, features] of every stream of the test part."""
    standardisation: Standardisation
    """Of the tokens that training windows see, before they are rounded; scale is infinite where a token never changes."""
    spatial_weight: np.ndarray | None = None
    """int64 [virtual channels, channels], where the design has a spatial filter."""
    spatial_shift: int = 0
    preprocess: PreprocessParameters | None = None


def integer_windows(
    found: DecodingSet,
    design: Design,
    embed: np.ndarray,
    on_stream: Callable[[], None] = lambda: None,
    spatial: np.ndarray | None = None,
) -> IntegerWindows:
    """Tokenize every stream with quant.golden and gather the windows; `on_stream` is called after each stream.

    embed [embed_dim, features]: the float decoder's weights for standardised tokens, to which the shifts are balanced.
    spatial [virtual channels, channels]: the float decoder's spatial filter, where the design has one.
    """
    if design.tokenizer.ready:
        return _ready(found, design)
    spec, weight_shift = design.tokenizer.bank, None
    gains, streams = _preprocessed(found, design.tokenizer)
    if spatial is not None:
        training = sorted(set(found.window_stream[found.windows_of("train")].tolist()))
        weight_shift = integer_filter(spatial, np.concatenate([streams[i] for i in training]), design.tokenizer)
    pooled = []
    for samples in streams:
        mixed = samples if weight_shift is None else spatial_filter(samples, *weight_shift, design.tokenizer)
        pooled.append(_pooled(mixed, spec))
        on_stream()
    seen = np.concatenate(pooled)[_rows_in_training(found, [len(stream) for stream in pooled], design)]
    fitting, flat = fitting_shift(seen, spec).reshape(-1), seen.reshape(len(seen), -1)
    weight = embed / _standardisation(flat, fitting, spec.token).scale.numpy().astype(np.float64) / 2.0**fitting
    token_shift = balanced_shift(fitting, flat.std(axis=0), weight, design.quant.weight, spec.token_shift.max)
    standardisation = _standardisation(flat, token_shift, spec.token)
    token_shift = token_shift.reshape(spec.channels, spec.wavelets)
    tokens = [torch.from_numpy(_requantized(stream, token_shift, design)).float() for stream in pooled]
    parts = {part: window_tensors(found, tokens, part, design) for part in PARTS}
    of_test = {stream: tokens[stream].numpy().astype(np.int64) for stream in found.test_streams()}
    compared = tokens_at(of_test, compared_ends(found, design), compared_tokens(found, design))
    spatial_weight, spatial_shift = weight_shift or (None, 0)
    return IntegerWindows(token_shift, parts, compared, of_test, standardisation, spatial_weight, spatial_shift, gains)


def _preprocessed(found: DecodingSet, spec: TokenizerSpec) -> tuple[PreprocessParameters | None, list[np.ndarray]]:
    """The integers of the calibration and every stream int16 [samples, channels] behind them."""
    calibrated = found.preprocessing(spec)
    if calibrated is None:
        return None, found.streams
    gains = PreprocessParameters(calibrated[0], calibrated[1].astype(np.int64))
    return gains, [preprocess(samples, gains, spec).astype(np.int16) for samples in found.streams]


def _ready(found: DecodingSet, design: Design) -> IntegerWindows:
    """Streams of ready-made tokens: nothing to shift."""
    tokens = [torch.from_numpy(stream).float() for stream in found.streams]
    seen = np.concatenate(found.streams)[_rows_in_training(found, [len(stream) for stream in tokens], design)]
    none = np.zeros((design.tokenizer.channels, 1), np.int64)
    standardisation = _standardisation(seen.astype(np.int64), none[:, 0], design.tokenizer.token)
    parts = {part: window_tensors(found, tokens, part, design) for part in PARTS}
    of_test = {stream: found.streams[stream].astype(np.int64) for stream in found.test_streams()}
    return IntegerWindows(
        none, parts, tokens_at(of_test, compared_ends(found, design), compared_tokens(found, design)), of_test, standardisation
    )


def compared_ends(found: DecodingSet, design: Design) -> np.ndarray:
    """int64 [windows, 2]: stream and last token of every window whose integers are compared.

    The labelled test windows in their order; where these are fewer than WINDOWS_COMPARED, then windows of the test streams
    that have no label, evenly spread, up to so many. Where states run on, a window is a stretch of `compared_tokens`, decoded
    from reset: the test streams cut into such, STRETCHES_COMPARED at most.
    """
    if design.model.streaming:
        return _stretch_ends(found, design)
    test = found.windows_of("test")
    labelled = np.stack([found.window_stream[test], found.window_token[test]], axis=1)
    tokens = _test_lengths(found, design)
    taken = set(map(tuple, labelled.tolist()))
    others = [(at, end) for at, count in tokens.items() for end in range(design.model.tokens - 1, count)]
    others = [end for end in others if end not in taken]
    wanted = min(max(WINDOWS_COMPARED - len(labelled), 0), len(others))
    chosen: list[int] = np.linspace(0, len(others) - 1, wanted).round().astype(int).tolist() if wanted else []
    return np.concatenate([labelled, np.array([others[i] for i in chosen], np.int64).reshape(-1, 2)])


def compared_tokens(found: DecodingSet, design: Design) -> int:
    """Tokens of a compared window."""
    if not design.model.streaming:
        return design.model.tokens
    shortest = min(length for length in _test_lengths(found, design).values() if length >= design.model.tokens)
    return min(STRETCH_TOKENS, shortest)


def _test_lengths(found: DecodingSet, design: Design) -> dict[int, int]:
    """Tokens of every test stream."""
    return {stream: len(found.streams[stream]) // design.tokenizer.token_samples for stream in found.test_streams()}


def _stretch_ends(found: DecodingSet, design: Design) -> np.ndarray:
    """Stretches side by side from each stream's first token; a stream's last stretch ends with it."""
    length, ends = compared_tokens(found, design), []
    for stream, tokens in _test_lengths(found, design).items():
        if tokens >= length:
            ends += [(stream, end) for end in [*range(length - 1, tokens - 1, length), tokens - 1]]
    chosen = np.linspace(0, len(ends) - 1, min(len(ends), STRETCHES_COMPARED)).round().astype(int)
    return np.array(ends, np.int64)[chosen]


def tokens_at(tokens: dict[int, np.ndarray], ends: np.ndarray, length: int) -> np.ndarray:
    """tokens [tokens, features] by stream, ends [windows, 2] of stream and last token -> [windows, length, features]."""
    return np.stack([tokens[stream][last + 1 - length : last + 1] for stream, last in ends.tolist()])


def _pooled(samples: np.ndarray, spec: TokenizerSpec) -> np.ndarray:
    groups = (
        samples[:, first : first + CHANNELS_AT_ONCE].astype(np.int64) for first in range(0, spec.channels, CHANNELS_AT_ONCE)
    )
    return np.concatenate([pooled_magnitudes(group, spec) for group in groups], axis=1)


def _rows_in_training(found: DecodingSet, lengths: list[int], design: Design) -> np.ndarray:
    start = np.cumsum([0, *lengths[:-1]])
    chosen = found.windows_of("train")
    last = start[found.window_stream[chosen]] + found.window_token[chosen]
    return np.unique(last[:, None] - np.arange(design.model.tokens))


def _requantized(pooled: np.ndarray, token_shift: np.ndarray, design: Design) -> np.ndarray:
    """As quant.golden.pool.tokenize, from pooled magnitudes that are already there."""
    half = (np.int64(1) << token_shift) >> 1
    return saturate((pooled + half) >> token_shift, design.tokenizer.token).reshape(len(pooled), design.tokenizer.features)


def _standardisation(pooled: np.ndarray, token_shift: np.ndarray, token: IntFormat) -> Standardisation:
    """pooled int64 [rows, features]. Quartiles of integers would be coarse where a token uses few of its values."""
    found = fit_standardisation(torch.from_numpy(pooled * 2.0**-token_shift))
    shifted = saturate((pooled + ((np.int64(1) << token_shift) >> 1)) >> token_shift, token)
    constant = torch.from_numpy(shifted.min(axis=0) == shifted.max(axis=0))
    return Standardisation(found.centre, torch.where(constant, torch.inf, found.scale))
