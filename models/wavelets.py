"""The Morlet bank in floating point: full-rate twin of the integer tokenizer (quant/golden/pool.py).

Same centre frequencies, same kernel span in seconds, same group delay; but complex Morlet kernels at the full sampling rate
instead of halved rates, the true magnitude instead of its shift-only approximation, and no rounding anywhere.
"""

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from designs.schema import TokenizerSpec

DECIMATOR_DELAY = 6
"""Samples by which the integer bank's half-band decimator lags at the rate it reads."""
CHANNELS_AT_ONCE = 8
"""Channels that are filtered at a time: bounds memory."""


def centre_hz(spec: TokenizerSpec) -> list[float]:
    """Centre frequency of every wavelet in the order of the features, octave by octave."""
    return [spec.sample_hz / (1 << octave) * centre for octave in range(spec.octaves) for centre in spec.relative_centres]


@cache
def morlet_kernels(spec: TokenizerSpec, octave: int) -> Tensor:
    """float32 [2 * wavelets_per_octave, 1, taps * 2 ** octave]: cosine and sine of each wavelet, at the full rate."""
    return kernels_at(torch.tensor(spec.relative_centres, dtype=torch.float64), spec, octave)


def kernels_at(centres: Tensor, spec: TokenizerSpec, octave: int) -> Tensor:
    """`morlet_kernels` centred on `centres` float64 [wavelets_per_octave], fractions of the octave's rate; differentiable.

    Gain 2 / sum(gauss): a sine of amplitude 1 at the centre frequency has magnitude 1.
    """
    length = spec.taps << octave
    time = torch.arange(length, dtype=torch.float64) - (length - 1) / 2
    centre = centres[:, None] / (1 << octave)
    gauss = torch.exp(-0.5 * (time * 2 * math.pi * centre / spec.cycles) ** 2)
    total = gauss.sum(dim=1, keepdim=True)
    even, odd = gauss * torch.cos(2 * math.pi * centre * time), gauss * torch.sin(2 * math.pi * centre * time)
    even = even - gauss * even.sum(dim=1, keepdim=True) / total
    return torch.stack([2 * even / total, 2 * odd / total], dim=1).flatten(0, 1).float()[:, None]


def stride_samples(spec: TokenizerSpec, octave: int) -> int:
    """Samples between two evaluations: the largest divisor of a token that an octave's bandwidth allows."""
    return max(s for s in range(1, spec.token_samples + 1) if spec.token_samples % s == 0 and s <= max(2, 1 << octave))


def octave_magnitudes(samples: Tensor, spec: TokenizerSpec, octave: int, kernels: Tensor | None = None) -> Tensor:
    """samples [channels, samples] from reset -> [channels, wavelets_per_octave, samples // stride_samples]."""
    return torch.linalg.vector_norm(octave_sums(samples, spec, octave, kernels), dim=2)


def octave_sums(samples: Tensor, spec: TokenizerSpec, octave: int, kernels: Tensor | None = None) -> Tensor:
    """samples [channels, samples] from reset -> [channels, wavelets_per_octave, 2 (cosine, sine), samples // stride_samples].

    Point i stands for samples [i * stride, (i + 1) * stride). It looks at samples up to their end only, and lags them as
    the integer bank does: by half a kernel and by the half-band decimators in front of the octave. kernels: those to use
    instead of `morlet_kernels`.
    """
    stride = stride_samples(spec, octave)
    kernels = (morlet_kernels(spec, octave) if kernels is None else kernels).to(samples.device)
    length, unit = kernels.shape[-1], 1 << octave
    before = length - (stride + unit + 1) // 2 + DECIMATOR_DELAY * (unit - 1)
    points = samples.shape[1] // stride
    padded = functional.pad(samples, (before, length))[:, None, : (points - 1) * stride + length]
    sums = functional.conv1d(padded, kernels, stride=stride)
    return sums.unflatten(1, (spec.wavelets_per_octave, 2))


@torch.no_grad()
def float_tokens(samples: Tensor, spec: TokenizerSpec) -> Tensor:
    """samples float32 [samples, channels], any number of channels, from reset -> float32 [tokens, channels * wavelets], ordered
    [channel, octave, wavelet].

    A token is the mean magnitude over its samples, in the unit of `samples`; only whole tokens are returned.
    """
    tokens = len(samples) // spec.token_samples
    if tokens == 0:
        return samples.new_zeros(0, samples.shape[1] * spec.wavelets)
    signal = samples[: tokens * spec.token_samples].T.contiguous()
    groups = signal.split(CHANNELS_AT_ONCE)
    octaves = [torch.cat([pooled(group, spec, octave, tokens) for group in groups]) for octave in range(spec.octaves)]
    return torch.stack(octaves, dim=1).permute(3, 0, 1, 2).reshape(tokens, -1)


def pooled(signal: Tensor, spec: TokenizerSpec, octave: int, tokens: int, kernels: Tensor | None = None) -> Tensor:
    """One octave of `tokens` whole tokens: [channels, samples] -> [channels, wavelets_per_octave, tokens]."""
    points = octave_magnitudes(signal, spec, octave, kernels)
    return points.unflatten(2, (tokens, points.shape[2] // tokens)).mean(dim=3)
