"""Preprocessing in integers: the golden model is the training side's, and a design carries it from samples to readout."""

import hashlib
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_decoders import DESIGNS, TINY, random_decoder

from designs.catalogue import CATALOGUE
from designs.schema import GAIN_BITS, PreprocessSpec, SpatialSpec, TokenizerSpec
from models.fit import FitSettings
from models.preprocessing import Preprocessing, preprocessed_streams
from models.train import train_ind
from models.windows import decoding_set
from quant.check_export import check_export, golden_tokens
from quant.export_qonnx import FrontEnd, export_qonnx
from quant.golden.exactness import first_mismatch
from quant.golden.parameters import ParameterError, PreprocessParameters
from quant.golden.preprocess import preprocess
from quant.golden.read_qonnx import read_qonnx, spec_hash
from quant.golden.spatial_filter import spatial_filter
from quant.golden.trace import bank_samples, tokens_of
from quant.integer_windows import integer_windows

sys.path.append(str(Path(__file__).parents[1] / "models"))
from made_recordings import rhythms

PREPROCESSED = replace(TINY, tokenizer=replace(TINY.tokenizer, preprocess=PreprocessSpec(drift_bits=6, dead_after=40)))
SPEC = PREPROCESSED.tokenizer
GAINS = PreprocessParameters(np.array([-8, 0, 3, 8]), np.array([0, 0, 1, 0]))


def stream_of(kind: str, samples: int, seed: int) -> np.ndarray:
    """int16 [samples, 4]: every sample held for a while, so that channels die and come back."""
    rng, sample = np.random.default_rng(seed), SPEC.sample
    values = {
        "noise": rng.integers(sample.min, sample.max, (samples, 4), endpoint=True),
        "corners": np.where(rng.integers(0, 2, (samples, 4)), sample.max, sample.min),
        "quiet": rng.integers(-2, 3, (samples, 4)),
        "constant": np.full((samples, 4), sample.min),
    }[kind]
    held = np.stack([np.repeat(column, rng.integers(1, 9, samples))[:samples] for column in values.T], axis=1)
    return held.astype(np.int16)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["noise", "corners", "quiet", "constant"]),
    shifts=st.lists(st.integers(-GAIN_BITS, GAIN_BITS), min_size=4, max_size=4),
    dead=st.lists(st.booleans(), min_size=4, max_size=4),
    drift_bits=st.integers(0, 16),
    dead_after=st.integers(1, 8),
    samples=st.integers(1, 300),
    seed=st.integers(0, 999),
)
def test_training_and_golden_model_give_the_same_codes(kind, shifts, dead, drift_bits, dead_after, samples, seed):
    spec = replace(SPEC, preprocess=PreprocessSpec(drift_bits, dead_after))
    stream = stream_of(kind, samples, seed)
    trained = Preprocessing(np.array(shifts), np.array(dead), spec.preprocess, spec.sample)(stream)
    golden = preprocess(stream, PreprocessParameters(np.array(shifts), np.array(dead).astype(int)), spec)
    assert np.array_equal(golden, trained)
    assert golden.min() >= spec.sample.min and golden.max() <= spec.sample.max


@pytest.mark.parametrize("shift", range(-GAIN_BITS, GAIN_BITS + 1))
def test_every_gain_by_hand(shift):
    spec = replace(SPEC, preprocess=PreprocessSpec(0, 8))
    stream = np.array([-2048, -3, -1, 0, 1, 3, 2047])
    found = preprocess(stream[:, None], PreprocessParameters(np.array([shift]), np.array([0])), spec)
    wanted = np.floor(stream * 2.0**shift + 0.5) if shift < 0 else stream * 2**shift
    assert found[:, 0].tolist() == np.clip(wanted, -2048, 2047).tolist()


def test_an_empty_stream_stays_empty():
    assert preprocess(np.zeros((0, 4), np.int16), GAINS, SPEC).shape == (0, 4)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_design_without_preprocessing_hashes_as_before_there_was_any(name):
    design = CATALOGUE[name]
    values = [f"{each.name}={getattr(design.tokenizer, each.name)!r}" for each in fields(TokenizerSpec)]
    before = f"TokenizerSpec({', '.join(value for value in values if not value.startswith(('preprocess=', 'centres=')))})"
    model = repr(design.model).replace(", attention='window'", "")  # as before there was any other
    text = f"({before}, {model}, {design.quant!r})"
    assert spec_hash(design) == hashlib.sha256(text.encode()).hexdigest()


def test_preprocessing_makes_it_another_design():
    other = replace(TINY, tokenizer=replace(SPEC, preprocess=PreprocessSpec(6, 41)))
    assert len({spec_hash(design) for design in (TINY, PREPROCESSED, other)}) == 3


def exported(front: FrontEnd, path: Path, design=PREPROCESSED):
    export_qonnx(random_decoder(design), front, path)
    return read_qonnx(path, design)


def test_tokens_are_those_of_preprocessed_samples(tmp_path):
    shift, samples = np.full((4, 4), 5), stream_of("noise", 5 * SPEC.token_samples, 0)
    parameters = exported(FrontEnd(shift, preprocess=GAINS), tmp_path / "preprocessed.qonnx")
    plain = exported(FrontEnd(shift), tmp_path / "plain.qonnx", TINY)
    assert np.array_equal(tokens_of(samples, parameters), tokens_of(preprocess(samples, GAINS, SPEC), plain))
    assert parameters.preprocess is not None
    assert parameters.preprocess.shift.tolist() == GAINS.shift.tolist()
    assert parameters.preprocess.dead.tolist() == GAINS.dead.tolist()


def test_a_spatial_filter_mixes_preprocessed_samples(tmp_path):
    mixed = replace(PREPROCESSED, tokenizer=replace(SPEC, spatial=SpatialSpec(3)))
    weight = np.random.default_rng(1).integers(-128, 128, (3, 4))
    parameters = exported(FrontEnd(np.full((3, 4), 5), weight, 7, preprocess=GAINS), tmp_path / "mixed.qonnx", mixed)
    samples = stream_of("noise", 3 * SPEC.token_samples, 2)
    wanted = spatial_filter(preprocess(samples, GAINS, mixed.tokenizer), weight, 7, mixed.tokenizer)
    assert np.array_equal(bank_samples(samples, parameters), wanted)
    assert mixed.tokenizer.bank == replace(TINY.tokenizer, channels=3)


@pytest.mark.parametrize(
    ("gains", "message"),
    [
        (None, "preprocess_shift in its metadata is missing or no table of integers; export it again"),
        (PreprocessParameters(np.full(4, 9), GAINS.dead), "preprocess shift: values from 9 to 9 are out of range; use -8 to 8"),
        (PreprocessParameters(GAINS.shift, np.full(4, 2)), "preprocess dead: values from 2 to 2 do not fit UINT1"),
        (PreprocessParameters(GAINS.shift[:3], GAINS.dead), r"preprocess shift: shape \(3,\) where the design has \(4,\)"),
        (PreprocessParameters(GAINS.shift, GAINS.dead[:1]), r"preprocess dead: shape \(1,\) where the design has \(4,\)"),
        (
            PreprocessParameters(GAINS.shift, GAINS.dead > 0),
            "preprocess_dead in its metadata is missing or no table of integers",
        ),
    ],
)
def test_gains_that_do_not_fit_are_refused(tmp_path, gains, message):
    with pytest.raises(ParameterError, match=message):
        exported(FrontEnd(np.zeros((4, 4), int), preprocess=gains), tmp_path / "tiny.qonnx")


@pytest.mark.parametrize("name", ["preprocess_shift", "preprocess_dead"])
@pytest.mark.parametrize(
    "text",
    ["", "0", "[[0], [0], [0], [0]]", "[0.5, 0, 0, 0]", "[" * 100_000, '{"a": 1}', "[NaN, 0, 0, 0]", f"[{10**30}, 0, 0, 0]"],
)
def test_metadata_that_is_no_list_of_gains_is_refused(tmp_path, name, text):
    path = tmp_path / "tiny.qonnx"
    exported(FrontEnd(np.zeros((4, 4), int), preprocess=GAINS), path)
    graph = onnx.load(path)
    next(entry for entry in graph.metadata_props if entry.key == name).value = text
    onnx.save(graph, path)
    with pytest.raises(
        ParameterError, match=rf"^tiny\.qonnx: {name} in its metadata is missing or no table of integers; export it"
    ):
        read_qonnx(path, PREPROCESSED)


def test_gains_without_preprocessing_are_refused(tmp_path):
    parameters = exported(FrontEnd(np.zeros((4, 4), int)), tmp_path / "tiny.qonnx", DESIGNS["int4"])
    line = "^ind_tiny: preprocess: the design has no preprocessing, the parameters hold one; export it again$"
    with pytest.raises(ParameterError, match=line):
        replace(parameters, preprocess=GAINS)


def test_a_trained_decoder_is_exact_from_samples_to_readout(tmp_path):
    tokenizer = replace(SPEC, channels=3, sample_hz=160, token_ms=200, electrodes=("E0", "E1", "E2"))
    design = replace(PREPROCESSED, tokenizer=tokenizer, model=replace(TINY.model, outputs=2))
    found = decoding_set(rhythms(), design)
    ind = train_ind(design, found, FitSettings(epochs=2)).model
    windows = integer_windows(found, design, ind.embed.weight.detach().numpy().astype(float))
    assert windows.preprocess is not None and windows.preprocess.shift.any()
    model = random_decoder(design)
    parameters_path = tmp_path / "trained.qonnx"
    export_qonnx(model, FrontEnd(windows.token_shift, preprocess=windows.preprocess), parameters_path)
    parameters = read_qonnx(parameters_path, design)
    rows, _, _ = check_export(model, parameters, windows.compared, golden_tokens(found, parameters))
    assert first_mismatch(rows) is None
    bank, stream = replace(design, tokenizer=tokenizer.bank), found.test_streams()[0]
    plain = replace(parameters, design=bank, preprocess=None)
    codes = preprocessed_streams(found, design)[stream]
    assert np.array_equal(tokens_of(found.streams[stream], parameters), tokens_of(codes, plain))
