"""The integer Morlet kernels and the half-band decimator that all octaves share."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from designs.schema import TokenizerSpec

HALF_BAND = (3, 0, -25, 0, 150, 256, 150, 0, -25, 0, 3)
"""Maximally flat 11-tap half-band filter; its taps sum to 2 ** HALF_BAND_SHIFT."""
HALF_BAND_SHIFT = 9


@dataclass(frozen=True)
class MorletKernel:
    """One wavelet at its octave's rate: `even` (cosine) is symmetric and sums to zero, `odd` (sine) is antisymmetric."""

    centre: float
    """Centre frequency as a fraction of the octave's sampling rate."""
    even: tuple[int, ...]
    odd: tuple[int, ...]


@cache
def morlet_kernels(spec: TokenizerSpec) -> tuple[MorletKernel, ...]:
    """The `wavelets_per_octave` kernels of every octave, highest centre first, `taps` integers of `kernel_bits` bits each.

    They are centred on `spec.relative_centres` of the octave's rate; standard deviation cycles / (2 pi centre) samples. The
    cosine is made zero-mean by subtracting the right share of its Gaussian.
    """
    return tuple(_kernel(spec, centre) for centre in spec.relative_centres)


def kernel_shift(spec: TokenizerSpec) -> int:
    """Right shift from a filter sum to a magnitude component: the worst case fills the signed twin of `spec.magnitude`."""
    gain = max(sum(map(abs, part)) for kernel in morlet_kernels(spec) for part in (kernel.even, kernel.odd))
    return max(0, (gain - 1).bit_length() - spec.fraction_bits)


def _kernel(spec: TokenizerSpec, centre: float) -> MorletKernel:
    time = np.arange(spec.taps) - (spec.taps - 1) / 2
    gauss = np.exp(-0.5 * (time * 2 * np.pi * centre / spec.cycles) ** 2)
    even, odd = gauss * np.cos(2 * np.pi * centre * time), gauss * np.sin(2 * np.pi * centre * time)
    even = even - gauss * even.sum() / gauss.sum()
    scale = ((1 << (spec.kernel_bits - 1)) - 1) / max(np.abs(even).max(), np.abs(odd).max())
    return MorletKernel(centre, _zero_sum(even * scale), tuple(np.round(odd * scale).astype(int).tolist()))


def _zero_sum(even: np.ndarray) -> tuple[int, ...]:
    """Round a symmetric kernel so that its integers sum to zero: move the pairs that rounding moved furthest back."""
    half = even[: len(even) // 2]
    rounded = np.round(half).astype(int)
    excess = int(rounded.sum())
    worst_first = np.argsort((half - rounded) * np.sign(excess), kind="stable")
    for index in worst_first[: abs(excess)]:
        rounded[index] -= np.sign(excess)
    return (*rounded.tolist(), *rounded[::-1].tolist())
