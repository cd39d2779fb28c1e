"""Banks beside the multirate one, integer by integer: direct FIR at the full rate, cascaded resonators, a sliding transform.

All of them work on samples [samples, channels] of the design's format; rounding is half up, states and magnitudes saturate.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from designs.number_format import IntFormat
from designs.schema import TokenizerSpec
from models.wavelets import kernels_at
from quant.golden.magnitude import magnitude
from quant.golden.requantize import requantize, round_shift, saturate

ATTENUATION = 1.0
"""Of the sliding transform: the oldest sample of its window counts exp(-ATTENUATION) of the newest."""
WEIGHT_BITS = 8
"""Of what joins the components of a sliding transform."""


def centre(spec: TokenizerSpec, wavelet: int) -> float:
    """Centre frequency as a fraction of the full rate."""
    octave, j = divmod(wavelet, spec.wavelets_per_octave)
    return spec.relative_centres[j] / (1 << octave)


def output_stride(spec: TokenizerSpec, octave: int) -> int:
    """Samples between two evaluations: what the multirate bank has, or the next divisor of a token below it."""
    return max(s for s in range(1, spec.token_samples + 1) if spec.token_samples % s == 0 and s <= 2 << octave)


def pooled_tokens(magnitudes: np.ndarray, points: int) -> np.ndarray:
    """[points of all tokens, ...] -> sums over each token's `points`: [tokens, ...]."""
    return magnitudes.reshape(-1, points, *magnitudes.shape[1:]).sum(axis=1)


def float_kernels(spec: TokenizerSpec, octave: int) -> np.ndarray:
    """Morlet kernels at the full rate, cut off after taps << octave samples: float [wavelets_per_octave, 2, samples]."""
    found = kernels_at(torch.tensor(spec.relative_centres, dtype=torch.float64), spec, octave)
    return found.numpy().astype(float).reshape(spec.wavelets_per_octave, 2, -1)


def direct_kernels(spec: TokenizerSpec, octave: int) -> np.ndarray:
    """The same in integers of kernel_bits, int64; cosines sum to zero: the taps that rounding moved furthest go back."""
    kernels = float_kernels(spec, octave)
    scaled = kernels * (((1 << (spec.kernel_bits - 1)) - 1) / np.abs(kernels).max(axis=(1, 2), keepdims=True))
    found = np.round(scaled).astype(np.int64)
    half = found.shape[2] // 2
    for wanted, even in zip(scaled[:, 0, :half], found[:, 0], strict=True):
        excess = int(even[:half].sum())
        even[np.argsort((wanted - even[:half]) * np.sign(excess), kind="stable")[: abs(excess)]] -= np.sign(excess)
        even[half:] = even[:half][::-1]
    return found


def filter_direct(samples: np.ndarray, kernels: np.ndarray, stride: int) -> np.ndarray:
    """Sums [points, channels, wavelets, 2]: point i looks at the samples up to (i + 1) stride - 1, zeros before reset."""
    length = kernels.shape[2]
    history = np.concatenate([np.zeros((length - 1, samples.shape[1]), samples.dtype), samples])
    windows = np.lib.stride_tricks.sliding_window_view(history, length, axis=0)[stride - 1 :: stride]
    return np.einsum("pct,wst->pcws", windows, kernels)


def direct_magnitudes(samples: np.ndarray, spec: TokenizerSpec, octave: int, stride: int) -> np.ndarray:
    """Integer pooled magnitudes of one octave's wavelets, as many bits below a sample as the multirate bank keeps."""
    kernels = direct_kernels(spec, octave)
    gain = int(np.abs(kernels).sum(axis=2).max())
    shift = max(0, (gain - 1).bit_length() - spec.fraction_bits)
    sums = round_shift(filter_direct(samples.astype(np.int64), kernels, stride), shift)
    return pooled_tokens(saturate(magnitude(sums), spec.magnitude), spec.token_samples // stride)


@dataclass(frozen=True)
class Recursion:
    """Complex states, one a row: ``state = saturate(round(pole * state + 2 ** -shift * (x[n] - comb * x[n - window])))``.

    pole, comb: int64 [rows, 2] (real, imaginary); pole in 2 ** -pole_bits, comb in 2 ** -comb_bits[row]; a window of 0 has no
    comb. A state has `fraction` bits below a sample; the shift makes the sum of a row's impulse response at most one.
    """

    pole: np.ndarray
    pole_bits: int
    fraction: int
    shift: np.ndarray
    window: np.ndarray
    comb: np.ndarray
    state: IntFormat

    @property
    def input_bits(self) -> np.ndarray:
        """What a sample is shifted left by before it meets a product of pole and state."""
        return self.pole_bits + self.fraction - self.shift


def recursion(poles: np.ndarray, windows: np.ndarray, spec: TokenizerSpec, *, pole_bits: int, fraction: int) -> Recursion:
    """Complex poles [rows], rounded to pole_bits below one and kept inside the unit circle: every error dies out."""
    rounded = np.stack([np.round(poles.real * 2**pole_bits), np.round(poles.imag * 2**pole_bits)], axis=1).astype(np.int64)
    radius = np.hypot(*rounded.T) / 2**pole_bits
    if (radius >= 1).any():
        raise ValueError(f"pole_bits={pole_bits} puts a pole on or outside the unit circle; use more")
    gain = np.where(windows > 0, 1 - radius**windows, 1) / (1 - radius)
    shift = np.ceil(np.log2(gain)).astype(np.int64)
    exact = (rounded[:, 0] + 1j * rounded[:, 1]) / 2**pole_bits
    comb = np.where(windows > 0, exact**windows, 0) * 2.0 ** (pole_bits + fraction - shift)
    return Recursion(
        rounded,
        pole_bits,
        fraction,
        shift,
        windows,
        np.stack([np.round(comb.real), np.round(comb.imag)], axis=1).astype(np.int64),
        IntFormat(spec.sample.bits + fraction),
    )


def run_recursion(inputs: np.ndarray, found: Recursion, input_fraction: int = 0) -> np.ndarray:
    """inputs int64 [samples, channels, rows or 1, 2] -> states [samples, channels, rows, 2].

    `input_fraction`: bits of the inputs below a sample. From a state of zero; zeros before the first sample.
    """
    samples, channels = inputs.shape[:2]
    real, imaginary = found.pole.T
    longest = int(found.window.max())
    history = np.concatenate([np.zeros((longest, *inputs.shape[1:]), np.int64), inputs])
    left = (found.input_bits - input_fraction)[:, None]
    if (left < 0).any():
        raise ValueError("a pole is too near the unit circle for these bits; use more pole bits")
    states = np.zeros((samples, channels, len(real), 2), np.int64)
    now = states[0]
    for n in range(samples):
        acc = np.stack([real * now[..., 0] - imaginary * now[..., 1], real * now[..., 1] + imaginary * now[..., 0]], axis=-1)
        acc += inputs[n] << left
        if longest:
            acc -= found.comb * history[longest + n - found.window, :, 0, :1].swapaxes(0, 1)
        states[n] = now = requantize(acc, found.pole_bits, found.state)
    return states


def resonator_poles(spec: TokenizerSpec, poles: int, bandwidth: float) -> np.ndarray:
    """A complex pole per wavelet; `poles` of them in a row have `bandwidth` times the noise bandwidth of the Morlet.

    The Morlet's is 1 / (2 sqrt(pi) sigma) of the rate; that of k decays a in a row is
    a sqrt(pi) gamma(k - 1/2) / gamma(k) / (2 pi).
    """
    centres = np.array([centre(spec, wavelet) for wavelet in range(spec.wavelets)])
    sigma = spec.cycles / (2 * math.pi * centres)
    decay = bandwidth * math.gamma(poles) / math.gamma(poles - 0.5) / sigma
    return np.exp(-decay + 2j * math.pi * centres)


def run_resonators(samples: np.ndarray, found: Recursion, poles: int) -> np.ndarray:
    """States of the last of `poles` equal resonators in a row, fed with differences of samples: an offset is not seen."""
    before = np.concatenate([np.zeros((1, samples.shape[1]), np.int64), samples[:-1].astype(np.int64)])
    inputs = np.stack([samples - before, np.zeros_like(before)], axis=-1)[:, :, None]
    states = run_recursion(inputs, found)
    for _ in range(poles - 1):
        states = run_recursion(states, found, input_fraction=found.fraction)
    return states


def sliding_recursion(spec: TokenizerSpec, components: int, *, pole_bits: int, fraction: int) -> Recursion:
    """`components` neighbouring frequencies per wavelet, in windows of taps << octave samples; rows [wavelet, component]."""
    poles, windows = [], []
    for wavelet in range(spec.wavelets):
        window = spec.taps << (wavelet // spec.wavelets_per_octave)
        for component in range(components):
            cycles = centre(spec, wavelet) + (component - (components - 1) / 2) / window
            poles.append(np.exp(-ATTENUATION / window + 2j * math.pi * cycles))
            windows.append(window)
    return recursion(np.array(poles), np.array(windows), spec, pole_bits=pole_bits, fraction=fraction)


def sliding_weights(spec: TokenizerSpec, found: Recursion) -> np.ndarray:
    """What joins components to the Morlet, by least squares over the window: int64 [wavelets, components, 2] of WEIGHT_BITS."""
    components = len(found.pole) // spec.wavelets
    weights = np.zeros((spec.wavelets, components, 2), np.int64)
    for wavelet in range(spec.wavelets):
        octave, j = divmod(wavelet, spec.wavelets_per_octave)
        rows = slice(wavelet * components, (wavelet + 1) * components)
        exact = (found.pole[rows, 0] + 1j * found.pole[rows, 1]) / 2**found.pole_bits
        even, odd = float_kernels(spec, octave)[j]
        basis = exact[None] ** np.arange(len(even))[:, None] * 2.0 ** -found.shift[rows]
        best = np.linalg.lstsq(basis, even + 1j * odd, rcond=None)[0]
        best *= ((1 << (WEIGHT_BITS - 1)) - 1) / max(np.abs(best.real).max(), np.abs(best.imag).max())
        weights[wavelet] = np.round(np.stack([best.real, best.imag], axis=-1))
    return weights


def join(states: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """states [points, channels, wavelets * components, 2] -> complex sums [points, channels, wavelets, 2]."""
    wavelets, components, _ = weights.shape
    parts = states.reshape(*states.shape[:2], wavelets, components, 2)
    real = (parts[..., 0] * weights[..., 0] - parts[..., 1] * weights[..., 1]).sum(axis=-1)
    imaginary = (parts[..., 0] * weights[..., 1] + parts[..., 1] * weights[..., 0]).sum(axis=-1)
    return round_shift(np.stack([real, imaginary], axis=-1), WEIGHT_BITS - 1)
