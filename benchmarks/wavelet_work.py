"""What a wavelet bank adds, reads, writes and keeps, and what that takes at stated energies."""

from dataclasses import dataclass

import numpy as np

from benchmarks.wavelet_families import WEIGHT_BITS, Recursion, direct_kernels, output_stride
from designs.schema import TokenizerSpec
from hw.rtl.shift_add import signed_digits
from hw.rtl.wavelet_bank import state_bits, state_parts
from quant.golden.morlet import HALF_BAND, morlet_kernels

ADDER_PJ_PER_BIT = 0.023
"""The floor of ind_int4: the wavelet bank's bare constant multiplications, over the bits of their adders, glitches and wires
included (0.014 without; ind_int8 0.023, ind_tiny 0.026)."""
READ_PJ_PER_BIT, WRITE_PJ_PER_BIT = 39.05 / 64, 50.50 / 64
"""The floor's: the best macro of IHP SG13G2 in a bit read, 64 x 64, typical (hw/targets/modelled_memory.py)."""
LEAKAGE_W_PER_BIT = 12.1e-12
"""Of the same macros, per bit kept."""
UNITS = (
    f"{ADDER_PJ_PER_BIT} pJ per bit of an adder, {READ_PJ_PER_BIT:.2f} and {WRITE_PJ_PER_BIT:.2f} pJ per bit read and written, "
    f"{LEAKAGE_W_PER_BIT * 1e12:g} pW per bit kept: IHP SG13G2, typical. No magnitudes, pooling, control, registers or clock."
)


@dataclass(frozen=True)
class Work:
    """Of one channel: additions, their bits, bits read and written, each per sample on average; bits kept."""

    adders: float
    adder_bits: float
    read_bits: float
    written_bits: float
    kept_bits: float

    def nj(self, spec: TokenizerSpec) -> float:
        """Per decision (a token) of all channels."""
        each = self.adder_bits * ADDER_PJ_PER_BIT + self.read_bits * READ_PJ_PER_BIT + self.written_bits * WRITE_PJ_PER_BIT
        leaked = self.kept_bits * LEAKAGE_W_PER_BIT * 1e12 / spec.sample_hz
        return (each + leaked) * spec.token_samples * spec.bank_channels / 1e3


def digits(constants: object) -> int:
    """Terms that the constants take in canonical signed digits."""
    return sum(len(signed_digits(int(constant))) for constant in np.ravel(np.asarray(constants)))


def multirate_work(spec: TokenizerSpec) -> Work:
    """As built: a step of each octave reads its whole state and writes the memory that holds its pair."""
    half, product = spec.taps // 2, spec.sample.bits + 1 + spec.kernel_bits
    filters = sum(digits(part[:half]) - 1 for kernel in morlet_kernels(spec) for part in (kernel.even, kernel.odd))
    middle = len(HALF_BAND) // 2
    folds, sums = 2 * sum(map(bool, HALF_BAND[:middle])), 2 * (digits(HALF_BAND[: middle + 1]) - 1)
    steps = [0.5 / (1 << octave) for octave in range(spec.octaves)]
    all_steps, halved = sum(steps), sum(steps[1:])
    pair, written = spec.sample.bits / 2, len(state_parts(spec)[0]) * 2 * spec.sample.bits
    return Work(
        adders=all_steps * (spec.taps + filters) + halved * (folds + sums),
        adder_bits=all_steps * (spec.taps * (spec.sample.bits + 1) + filters * product)
        + halved * (folds * (spec.sample.bits + 1) + sums * (spec.sample.bits + 9)),
        read_bits=all_steps * state_bits(spec) + pair,
        written_bits=all_steps * written + pair,
        kept_bits=spec.octaves * state_bits(spec) + spec.sample.bits,
    )


def direct_work(spec: TokenizerSpec, strides: list[int]) -> Work:
    """Octaves that are due at the same sample share one read of the longest window among theirs; taps are folded."""
    bits, product, adders, adder_bits = spec.sample.bits, spec.sample.bits + 1 + spec.kernel_bits, 0.0, 0.0
    for octave, stride in enumerate(strides):
        kernels = direct_kernels(spec, octave)
        sums = sum(digits(part[: kernels.shape[2] // 2]) - 1 for kernel in kernels for part in kernel)
        adders += (kernels.shape[2] + sums) / stride
        adder_bits += (kernels.shape[2] * (bits + 1) + sums * product) / stride
    due = [[octave for octave, stride in enumerate(strides) if n % stride == 0] for n in range(spec.token_samples)]
    read = sum(((spec.taps << octaves[-1]) - 1) * bits for octaves in due if octaves) / spec.token_samples
    return Work(adders, adder_bits, read, bits, ((spec.taps << (spec.octaves - 1)) - 1) * bits)


def recursive_work(spec: TokenizerSpec, found: Recursion, stages: int, weights: np.ndarray | None) -> Work:
    """Every sample reads and writes every state. weights: of a sliding transform, joined at the outputs' rate only."""
    bits, states = spec.sample.bits, 2 * len(found.pole) * found.state.bits * stages
    adders = stages * 2 * (digits(found.pole) - len(found.pole)) + len(found.pole) * (2 * stages - 1) + digits(found.comb)
    wide = float(adders * (found.state.bits + found.pole_bits))
    if weights is None:  # one difference of samples
        return Work(adders + 1, wide + bits + 1, states + bits, states + bits, states + bits)
    joined: float = 0
    for wavelet, parts in enumerate(weights):
        joined += 2 * (digits(parts) - 1) / output_stride(spec, wavelet // spec.wavelets_per_octave)
    history, taken = int(found.window.max()) * bits, spec.wavelets * bits
    wide += joined * (found.state.bits + WEIGHT_BITS)
    return Work(adders + joined, wide, states + taken, states + bits, states + history)
