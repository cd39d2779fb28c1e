"""The decoding set through the integer tokenizer: shifts chosen on training windows, windows of every part."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from designs.decoding_set import PARTS, DecodingSet
from designs.schema import Design, TokenizerSpec
from models.standardise import Standardisation, fit_standardisation
from models.window_tensors import WindowTensors, seen_tokens, window_tensors
from quant.calibrate import choose_token_shift
from quant.golden.pool import pooled_magnitudes
from quant.golden.requantize import saturate

CHANNELS_AT_ONCE = 8
"""Channels that are filtered at a time: bounds memory."""


@dataclass(frozen=True)
class IntegerWindows:
    """token_shift [channels, wavelets]; parts: windows of integer tokens as float32, by name of the part."""

    token_shift: np.ndarray
    parts: dict[str, WindowTensors]
    standardisation: Standardisation
    """Of the integer tokens that training windows see; scale is infinite where a feature never changes."""


def integer_windows(found: DecodingSet, design: Design, on_stream: Callable[[], None] = lambda: None) -> IntegerWindows:
    """Tokenize every stream with quant.golden and gather the windows; `on_stream` is called after each stream."""
    pooled = []
    for samples in found.streams:
        pooled.append(_pooled(samples, design.tokenizer))
        on_stream()
    seen = _rows_in_training(found, [len(stream) for stream in pooled], design)
    token_shift = choose_token_shift(np.concatenate(pooled)[seen], design.tokenizer)
    tokens = [torch.from_numpy(_requantized(stream, token_shift, design)).float() for stream in pooled]
    parts = {part: window_tensors(found, tokens, part, design) for part in PARTS}
    return IntegerWindows(token_shift, parts, _standardisation(parts["train"]))


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


def _standardisation(train: WindowTensors) -> Standardisation:
    tokens = seen_tokens(train)
    found = fit_standardisation(tokens)
    constant = tokens.amin(dim=0) == tokens.amax(dim=0)
    return Standardisation(found.centre, torch.where(constant, torch.inf, found.scale))
