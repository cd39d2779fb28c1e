"""Each family of banks does what its formula says, and its costs are what one counts by hand."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import wavelet_families as families
from benchmarks.wavelet_cost import compared, multirate_point
from benchmarks.wavelet_fidelity import WHOLE_TAPS, fidelity
from benchmarks.wavelet_work import Work, direct_work, multirate_work, recursive_work
from designs.catalogue import CATALOGUE
from designs.schema import TokenizerSpec
from quant.golden.wavelet_bank import filter_sums

SPEC = replace(CATALOGUE["ind_int4"].tokenizer, channels=1)


def noise(spec: TokenizerSpec, tokens: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(-400, 401, (tokens * spec.token_samples, 1)).astype(np.int16)


@pytest.mark.parametrize("octave", [0, 2])
def test_direct_filters_with_whole_float_taps_are_the_morlet_itself(octave):
    whole, codes = replace(SPEC, taps=WHOLE_TAPS), noise(SPEC)
    stride = families.output_stride(SPEC, 0)
    sums = families.filter_direct(codes.astype(float), families.float_kernels(whole, octave), stride)
    found = families.pooled_tokens(np.linalg.norm(sums, axis=-1), SPEC.token_samples // stride)
    late = ((WHOLE_TAPS << octave) - stride) / 2
    each = [compared(codes, SPEC, 2 * octave + j, found[..., j], late) for j in range(2)]
    assert min(each) > (1 - 1e-6 if octave == 0 else 0.999)  # lower octaves are pooled at other points


def test_direct_filters_of_the_highest_octave_are_those_of_the_multirate_bank():
    codes = noise(SPEC).astype(np.int64)
    kernels = families.direct_kernels(SPEC, 0)
    assert (kernels[:, 0].sum(axis=1) == 0).all()
    gain = int(np.abs(kernels).sum(axis=2).max())
    shift = (gain - 1).bit_length() - SPEC.fraction_bits
    sums = (families.filter_direct(codes, kernels, 2) + ((1 << shift) >> 1)) >> shift
    assert np.corrcoef(sums.ravel(), filter_sums(codes, SPEC).ravel())[0, 1] > 0.9999


def test_an_impulse_into_a_resonator_gives_powers_of_its_pole():
    pole = np.array([0.9 * np.exp(0.7j)])
    found = families.recursion(pole, np.array([0]), SPEC, pole_bits=12, fraction=12)
    exact = (found.pole[0] @ [1, 1j]) / 2**12
    inputs = np.zeros((60, 1, 1, 2), np.int64)
    inputs[0] = [2000, 0]
    states = families.run_recursion(inputs, found)[:, 0, 0] @ [1, 1j]
    wanted = 2000 * 2.0 ** (found.fraction - found.shift[0]) * exact ** np.arange(60)
    assert np.abs(states - wanted).max() < 1 / (1 - np.abs(exact))  # half a unit per rounding and part, none of which grows


def test_a_row_of_two_resonators_gives_n_plus_one_times_the_power():
    pole = np.array([0.9 * np.exp(0.7j)])
    found = families.recursion(pole, np.array([0]), SPEC, pole_bits=12, fraction=10)
    exact = (found.pole[0] @ [1, 1j]) / 2**12
    step = np.full((60, 1), 1000, np.int64)  # its differences are an impulse
    states = families.run_resonators(step, found, poles=2)[:, 0, 0] @ [1, 1j]
    n = np.arange(60)
    wanted = 1000 * 2.0 ** (found.fraction - 2 * found.shift[0]) * (n + 1) * exact**n
    assert np.abs(states - wanted).max() < 1 / (1 - np.abs(exact)) ** 2


def test_a_sliding_transform_forgets_what_left_its_window():
    spec = replace(SPEC, taps=14, wavelets=2, octaves=1)
    found = families.sliding_recursion(spec, components=3, pole_bits=14, fraction=10)
    inputs = np.zeros((120, 1, 1, 2), np.int64)
    inputs[0, 0, 0, 0] = 2000
    states = families.run_recursion(inputs, found)[:, 0]
    assert np.abs(states[13]).max() > 1000 and np.abs(states[14:16]).max() <= 100 and np.abs(states[-1]).max() <= 8


def test_a_sliding_transform_has_the_impulse_response_of_the_morlet():
    spec = replace(SPEC, taps=18, wavelets=2, octaves=1)
    found = families.sliding_recursion(spec, components=5, pole_bits=14, fraction=10)
    inputs = np.zeros((18, 1, 1, 2), np.int64)
    inputs[0, 0, 0, 0] = 2000
    sums = families.join(families.run_recursion(inputs, found), families.sliding_weights(spec, found))[:, 0]
    for j, (even, odd) in enumerate(families.float_kernels(spec, 0)):
        response, wanted = sums[:, j] @ [1, 1j], even + 1j * odd
        share = np.abs(np.vdot(response, wanted)) / np.linalg.norm(response) / np.linalg.norm(wanted)
        assert share > 0.99


def test_states_saturate_and_come_back():
    found = families.recursion(np.array([0.5 + 0j]), np.array([0]), SPEC, pole_bits=4, fraction=0)
    loud = replace(found, shift=np.array([0]))  # a gain of two
    inputs = np.zeros((40, 1, 1, 2), np.int64)
    inputs[:20, 0, 0, 0] = SPEC.sample.max
    states = families.run_recursion(inputs, loud)[:, 0, 0, 0]
    assert states[19] == loud.state.max and abs(states[-1]) <= 1


def test_a_pole_that_would_not_decay_is_refused():
    with pytest.raises(ValueError, match="use more"):
        families.recursion(np.array([0.999 + 0j]), np.array([0]), SPEC, pole_bits=4, fraction=0)


def test_work_is_what_one_counts_by_hand():
    """One octave of 14 taps of 12 bits: a pair is written and read, a step reads six pairs and writes two."""
    spec = replace(SPEC, wavelets=2, octaves=1)
    one = multirate_work(spec)
    assert (one.read_bits, one.written_bits, one.kept_bits) == ((144 + 12) / 2, (48 + 12) / 2, 144 + 12)
    direct = direct_work(spec, [2])
    assert (direct.read_bits, direct.written_bits, direct.kept_bits) == (13 * 12 / 2, 12, 13 * 12)
    found = families.recursion(np.array([0.5 + 0.25j]), np.array([0]), spec, pole_bits=4, fraction=4)
    work = recursive_work(spec, found, 1, None)
    # two products of one digit each a part, one addition a part joins them, one more brings the sample in; a difference
    assert (work.adders, work.read_bits, work.written_bits) == (2 + 1 + 1, 2 * 16 + 12, 2 * 16 + 12)


def test_energy_adds_up():
    spec = replace(SPEC, channels=2)
    work = Work(adders=0, adder_bits=1000, read_bits=64, written_bits=64, kept_bits=600)
    per_sample = 0.023 * 1000 + 39.05 + 50.50 + 12.1
    assert work.nj(spec) == pytest.approx(per_sample * 60 * 2 / 1e3)


def test_the_multirate_points_are_those_of_wavelet_fidelity():
    codes = noise(SPEC)
    assert (multirate_point(codes, SPEC, "").correlation == fidelity(codes, SPEC)).all()
