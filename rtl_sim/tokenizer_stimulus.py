"""Signals that drive the tokenizer into its corners, and the order in which its blocks see them."""

from collections.abc import Iterator, Sequence

import numpy as np

from designs.schema import TokenizerSpec
from quant.golden.morlet import morlet_kernels


def corner_signals(spec: TokenizerSpec, tokens: int, seed: int) -> np.ndarray:
    """int64 [samples, channels]: every channel goes through the corners, each channel beginning with another one.

    All least, all most, an impulse, a step, the signs of each kernel (its largest sum), then uniform noise; `tokens` tokens.
    """
    low, high, rng = spec.sample.min, spec.sample.max, np.random.default_rng(seed)
    stretch = 2 * spec.taps
    kernels = [part for kernel in morlet_kernels(spec) for part in (kernel.even, kernel.odd)]
    pieces = [np.full(stretch, low), np.full(stretch, high), np.eye(1, stretch, 3, dtype=int)[0] * low]
    pieces += [np.repeat([0, high], spec.taps), np.repeat([high, low], spec.taps)]
    pieces += [np.tile(np.where(np.array(kernel) > 0, high, low), 2) for kernel in kernels]
    columns = []
    for channel in range(spec.channels):
        order = [pieces[(channel + i) % len(pieces)] for i in range(len(pieces))]
        noise = rng.integers(low, high, endpoint=True, size=tokens * spec.token_samples) >> rng.integers(0, 6)
        columns.append(np.concatenate([*order[: 1 + tokens * spec.token_samples // (2 * stretch)], noise]))
    return np.stack([column[: tokens * spec.token_samples] for column in columns], axis=1).astype(np.int64)


def step_order(pairs: int, spec: TokenizerSpec) -> Iterator[tuple[int, int, int]]:
    """(pair, channel, octave) of every step in the order of hw.rtl.step_order."""
    for pair in range(pairs):
        for channel in range(spec.channels):
            for octave in range(spec.octaves):
                if pair % (1 << octave):
                    break
                yield pair, channel, octave


def in_step_order(per_octave: Sequence[np.ndarray], spec: TokenizerSpec) -> list[np.ndarray]:
    """Octave -> [steps, channels, ...] to one array per step, in the order of the steps."""
    return [per_octave[octave][pair >> octave, channel] for pair, channel, octave in step_order(len(per_octave[0]), spec)]


def pack_rows(rows: np.ndarray, bits: int) -> list[int]:
    """Non-negative integers [words, places] -> one word per row, place 0 in the low bits."""
    return [sum(int(value) << (bits * place) for place, value in enumerate(row)) for row in rows]
