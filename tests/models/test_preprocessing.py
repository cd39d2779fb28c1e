"""Scaling, drift and dead channels in integers: the same codes in one go and sample by sample, from the training part alone."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from designs.decoding_set import DecodingSet, DecodingSetError
from designs.ind_tiny import IND_TINY
from designs.number_format import INT12
from designs.schema import PreprocessSpec
from models.preprocessing import PIECE, Preprocessing, calibrate_preprocessing, preprocessed_streams, suited_spec
from models.recording import RecordingError
from models.wavelets import float_tokens
from models.window_tensors import stream_tokens
from models.windows import decoding_set

HZ = 600.0
PREPROCESSED = replace(IND_TINY, tokenizer=replace(IND_TINY.tokenizer, preprocess=PreprocessSpec(6, 60)))
SUITED, NO_DRIFT = suited_spec(HZ), suited_spec(HZ, drift=False)


def codes(samples: int, channels: int = 4, seed: int = 0, swing: float = 200.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(0, swing, (samples, channels)), -2048, 2047).astype(np.int16)


def reference(steps: Preprocessing, stream: list[int], channel: int) -> list[int]:
    """One channel in Python's own integers, as the docstring says it."""
    found, average, last, still = [], None, None, 0
    for x in stream:
        average = x << steps.spec.drift_bits if average is None else average
        still = min(still + 1, steps.spec.dead_after) if x == last else 0
        y = x - (average >> steps.spec.drift_bits) if steps.spec.drift_bits else x
        average += y
        shift = int(steps.shift[channel])
        y = y << shift if shift >= 0 else (y + (1 << (-shift - 1))) >> -shift
        y = max(steps.format.min, min(steps.format.max, y))
        found.append(0 if steps.dead[channel] or still >= steps.spec.dead_after else y)
        last = x
    return found


@settings(max_examples=40, deadline=None)
@given(
    shifts=st.lists(st.integers(-8, 8), min_size=4, max_size=4),
    drift_bits=st.integers(0, 8),
    dead_after=st.integers(1, 6),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    seed=st.integers(0, 999),
)
def test_pieces_of_any_length_give_the_codes_of_the_definition(shifts, drift_bits, dead_after, cuts, seed):
    dead = np.array([False, False, True, False])
    steps = Preprocessing(np.array(shifts), dead, PreprocessSpec(drift_bits, dead_after), INT12)
    rng = np.random.default_rng(seed)
    stream = np.repeat(codes(30, seed=seed, swing=900), rng.integers(1, 5, 30), axis=0)[:60]
    whole = steps(stream)
    pieces, state = [], steps.start()
    edges = sorted({0, *(min(cut, len(stream)) for cut in cuts), len(stream)})
    for begin, end in pairwise(edges):
        found, state = steps.run(stream[begin:end], state)
        pieces.append(found)
    assert np.array_equal(np.concatenate(pieces), whole)
    for channel in range(4):
        assert whole[:, channel].tolist() == reference(steps, stream[:, channel].tolist(), channel)


def test_the_tokens_of_a_stream_are_those_of_its_single_samples():
    import torch

    stream = codes(1200)
    steps = calibrate_preprocessing([stream], SUITED, INT12)
    single, state = [], steps.start()
    for sample in stream:
        found, state = steps.run(sample[None], state)
        single.append(found)
    tokens = [
        float_tokens(torch.from_numpy(each).float(), IND_TINY.tokenizer) for each in (steps(stream), np.concatenate(single))
    ]
    assert torch.equal(*tokens)


def test_channels_are_scaled_to_half_of_full_scale_within_a_factor_of_two():
    quiet_and_loud = codes(6000) * np.array([1, 1, 1, 1]) // np.array([50, 8, 1, 1])
    quiet_and_loud[:, 3] *= 3
    steps = calibrate_preprocessing([quiet_and_loud], NO_DRIFT, INT12)
    reached = np.quantile(np.abs(steps(quiet_and_loud).astype(int)), 0.999, axis=0)
    assert (reached <= 1024).all() and (reached > 500).all()
    assert len(set(steps.shift.tolist())) > 2


def test_drift_is_taken_off_and_the_signal_stays():
    time_s = np.arange(12_000) / HZ
    rhythm = 100 * np.sin(2 * np.pi * 20 * time_s)
    drifting = np.round(rhythm[:, None] + 600 + 20 * time_s[:, None]).astype(np.int16)
    steps = calibrate_preprocessing([drifting], SUITED, INT12)
    assert steps.spec.drift_bits == 8
    found = steps(drifting)[6000:, 0] / 2.0 ** steps.shift[0]
    assert abs(found.mean()) < 10
    assert np.corrcoef(found, rhythm[6000:])[0, 1] > 0.99


def test_a_channel_that_dies_is_masked_until_it_lives_again():
    stream = codes(3000)
    stream[500:2500, 1] = 37
    steps = calibrate_preprocessing([stream], NO_DRIFT, INT12)
    found = steps(stream)
    first = 500 + round(2.0 * HZ)
    assert not steps.dead.any()
    assert (found[first:2500, 1] == 0).all()
    assert (found[500 : first - 1, 1] != 0).all()
    assert (found[2500:, 1] != 0).mean() > 0.9


def test_a_channel_dead_in_calibration_stays_zero_and_one_dead_in_one_session_alone_does_not():
    first, second = codes(3000), codes(3000, seed=1)
    first[:, 0] = second[:, 0] = 5
    first[:, 1] = -9
    steps = calibrate_preprocessing([first, second], SUITED, INT12)
    assert steps.dead.tolist() == [True, False, False, False]
    assert (steps(codes(3000, seed=2))[:, 0] == 0).all()
    alone = calibrate_preprocessing([second], SUITED, INT12)
    assert steps.shift[1] == alone.shift[1]


def test_a_recording_without_a_living_channel_is_refused():
    with pytest.raises(RecordingError, match=f"^{re.escape('noise: every channel is constant in the training part; check')}"):
        calibrate_preprocessing([np.ones((100, 4), np.int16)], SUITED, INT12, source="noise")


def test_a_stream_longer_than_a_piece_goes_on_where_the_piece_ended():
    stream = codes(PIECE + 300)
    stream[PIECE - 30 :, 2] = 9
    steps = Preprocessing(np.array([0, 3, -1, 8]), np.zeros(4, bool), PreprocessSpec(5, 50), INT12)
    whole = steps(stream)
    assert (whole[PIECE + 19 : PIECE + 20, 2] != 0).all() and (whole[PIECE + 20 :, 2] == 0).all()
    for channel in range(4):
        assert whole[:, channel].tolist() == reference(steps, stream[:, channel].tolist(), channel)


def test_gains_and_masks_come_from_training_sessions_alone_and_samples_stay_the_converters(recording):
    plain, found = decoding_set(recording, IND_TINY), decoding_set(recording, PREPROCESSED)
    assert np.array_equal(plain.samples, found.samples)
    assert plain.preprocess_shift.size == 0 and found.preprocess_shift.shape == (4,)
    loud = replace(recording.sessions[2], samples=recording.sessions[2].samples[:, ::-1] * 7)
    other = decoding_set(replace(recording, sessions=(*recording.sessions[:2], loud)), PREPROCESSED)
    assert np.array_equal(other.preprocess_shift, found.preprocess_shift)
    assert np.array_equal(other.preprocess_dead, found.preprocess_dead)


def test_tokens_are_those_of_preprocessed_streams(recording):
    found = decoding_set(recording, PREPROCESSED)
    streams = preprocessed_streams(found, PREPROCESSED)
    plain = replace(
        found, samples=np.concatenate(streams), preprocess_shift=np.zeros(0, np.int64), preprocess_dead=np.zeros(0, bool)
    )
    for tokens, wanted in zip(stream_tokens(found, PREPROCESSED), stream_tokens(plain, IND_TINY), strict=True):
        assert np.array_equal(tokens.numpy(), wanted.numpy())
    assert not np.array_equal(streams[0], found.streams[0])


def test_a_decoding_set_keeps_its_gains_and_may_lack_them(recording, tmp_path):
    found = decoding_set(recording, PREPROCESSED)
    found.save(tmp_path / "set.npz")
    kept = DecodingSet.load(tmp_path / "set.npz")
    assert np.array_equal(kept.preprocess_shift, found.preprocess_shift)
    assert np.array_equal(kept.preprocess_dead, found.preprocess_dead)
    old = {name: value for name, value in np.load(tmp_path / "set.npz").items() if not name.startswith("preprocess")}
    np.savez(tmp_path / "old.npz", **old)
    assert DecodingSet.load(tmp_path / "old.npz").preprocessing(IND_TINY.tokenizer) is None


@pytest.mark.parametrize(
    "change",
    [
        {"preprocess_shift": np.zeros(3, np.int64)},
        {"preprocess_shift": np.full(4, 9)},
        {"preprocess_shift": np.full(4, np.iinfo(np.int64).min)},
        {"preprocess_shift": np.zeros(4)},
        {"preprocess_dead": np.zeros(4, np.int64)},
        {"preprocess_dead": np.zeros(0, bool)},
    ],
)
def test_gains_that_do_not_fit_are_no_decoding_set(recording, change):
    with pytest.raises(DecodingSetError, match="do not fit together; prepare it again"):
        replace(decoding_set(recording, PREPROCESSED), **change)


def test_a_decoding_set_of_another_preprocessing_is_refused(recording):
    with pytest.raises(DecodingSetError, match=r": holds no gains, but the design preprocesses; train it again$"):
        stream_tokens(decoding_set(recording, IND_TINY), PREPROCESSED)
    with pytest.raises(DecodingSetError, match=r": holds gains, but the design does not preprocess; train it again$"):
        stream_tokens(decoding_set(recording, PREPROCESSED), IND_TINY)
