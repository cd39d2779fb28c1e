"""What the tokenizer's blocks take for granted about numbers: constants as digits, widths that hold every sum."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from designs.number_format import IntFormat
from designs.schema import TokenizerSpec
from hw.rtl.shift_add import signed_digits
from hw.rtl.wavelet_bank import filter_format
from quant.golden.magnitude import magnitude
from quant.golden.morlet import HALF_BAND, morlet_kernels

SPECS = st.builds(
    TokenizerSpec,
    channels=st.just(1),
    sample_hz=st.just(600),
    wavelets=st.integers(1, 4),
    octaves=st.just(1),
    taps=st.integers(7, 16).map(lambda half: 2 * half),
    cycles=st.floats(0.5, 20),
    token_ms=st.just(100),
    sample=st.integers(8, 16).map(IntFormat),
    kernel_bits=st.integers(3, 10),
    fraction_bits=st.integers(1, 8),
)


@given(st.integers(-(1 << 16), 1 << 16))
def test_signed_digits_add_up_and_no_two_are_neighbours(constant: int) -> None:
    digits = signed_digits(constant)
    assert sum(sign << shift for sign, shift in digits) == constant
    shifts = [shift for _, shift in digits]
    assert all(later - sooner >= 2 for sooner, later in pairwise(shifts))


@settings(max_examples=60, deadline=None)
@given(SPECS)
def test_the_magnitude_of_the_largest_filter_sums_never_saturates(spec: TokenizerSpec) -> None:
    extremes = filter_format(spec).min, filter_format(spec).max
    largest = magnitude(np.array([[a, b] for a in extremes for b in extremes])).max()
    assert largest <= spec.magnitude.max


@settings(max_examples=60, deadline=None)
@given(SPECS)
def test_kernels_fold_in_the_middle(spec: TokenizerSpec) -> None:
    for kernel in morlet_kernels(spec):
        assert kernel.even == kernel.even[::-1]
        assert kernel.odd == tuple(-tap for tap in kernel.odd[::-1])
    assert HALF_BAND[::-1] == HALF_BAND
