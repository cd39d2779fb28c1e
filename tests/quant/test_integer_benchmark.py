"""The integer rows of the benchmark, and what stands before the tokens and behind the readout in integers."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from random_decoders import DESIGNS, TINY, random_decoder, windows

import models.recipes
from designs.number_format import INT8, UINT8
from designs.schema import Design, DesignError, ModelSpec, SpatialSpec, TokenizerSpec
from models.ind_benchmark import design_for, float_ind
from models.metrics import accuracy, r2
from quant.check_export import check_export, golden_tokens
from quant.export_qonnx import FrontEnd, export_qonnx
from quant.golden.exactness import first_mismatch
from quant.golden.parameters import ParameterError
from quant.golden.read_qonnx import read_qonnx
from quant.golden.regression import decoded_values
from quant.golden.spatial_filter import spatial_filter
from quant.golden.trace import tokens_of, trace_samples
from quant.ind_benchmark import evaluate, quantize
from quant.integer_windows import integer_windows
from quant.quantized import float_embedding, float_filter, front_end
from quant.spatial_weights import integer_filter

sys.path.append(str(Path(__file__).parents[1] / "models"))
from made_recordings import counts, rhythms

COUNTED = TokenizerSpec(
    channels=6, sample_hz=20, wavelets=1, octaves=1, taps=0, cycles=0, token_ms=50, token=UINT8, signal="counts"
)
REGRESSOR = replace(
    TINY, name="tiny_values", tokenizer=COUNTED, model=replace(TINY.model, outputs=3, task="regression", pool="none", layers=2)
)
MIXED = replace(TINY, name="tiny_mixed", tokenizer=replace(TINY.tokenizer, channels=9, spatial=SpatialSpec(4)))


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for name in ("CLASSIFICATION", "COUNTS"):
        monkeypatch.setattr(models.recipes, name, replace(getattr(models.recipes, name), epochs=3))


@pytest.fixture(scope="module")
def mixed_weight() -> np.ndarray:
    return np.random.default_rng(3).integers(-128, 128, (4, 9))


def test_a_regressor_reads_back_as_the_integers_of_brevitas(tmp_path):
    model, path = random_decoder(REGRESSOR), tmp_path / "values.qonnx"
    scale, centre = np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.0, -1.0])
    export_qonnx(model, FrontEnd(np.zeros((6, 1), int), target_scale=scale, target_centre=centre), path)
    parameters = read_qonnx(path, REGRESSOR)
    rows, traced, golden = check_export(model, parameters, windows(REGRESSOR, 64))
    assert first_mismatch(rows) is None
    assert "decision" not in golden and "pool" not in golden
    values = decoded_values(golden["readout"], parameters)
    with torch.no_grad():
        outputs = model(torch.from_numpy(windows(REGRESSOR, 64)).float()).double().numpy()
    assert np.array_equal(values, outputs * scale + centre)
    assert len(traced["readout"]) == 64


def test_a_readout_that_leaves_tokens_out_is_refused(tmp_path):
    import onnx

    path = tmp_path / "values.qonnx"
    export_qonnx(random_decoder(REGRESSOR), np.zeros((6, 1), int), path)
    graph = onnx.load(path)
    for node in graph.graph.node:
        if node.output[0] == "flat":
            node.input[0] = "block0_out"
    onnx.save(graph, path)
    with pytest.raises(ParameterError, match="readout is not computed from all tokens of block1_out"):
        read_qonnx(path, REGRESSOR)


def test_the_spatial_filter_rounds_half_up_and_saturates():
    spec = MIXED.tokenizer
    samples = np.zeros((3, 9), np.int64)
    samples[0, 0], samples[1, 0], samples[2] = 3, -3, 2047
    weight = np.zeros((4, 9), np.int64)
    weight[0, 0], weight[1] = 1, 127
    found = spatial_filter(samples, weight, 1, spec)
    assert found[:, 0].tolist() == [2, -1, 1024]
    assert found[2, 1] == spec.sample.max


def test_tokens_behind_a_spatial_filter_are_those_of_its_outputs(tmp_path, mixed_weight):
    path = tmp_path / "mixed.qonnx"
    shift = np.full((4, 4), 6)
    export_qonnx(random_decoder(MIXED), FrontEnd(shift, mixed_weight, 9), path)
    parameters = read_qonnx(path, MIXED)
    samples = np.random.default_rng(0).integers(-2048, 2048, (4 * MIXED.tokenizer.token_samples, 9))
    virtual = spatial_filter(samples, mixed_weight, 9, MIXED.tokenizer)
    bank = replace(MIXED, tokenizer=MIXED.tokenizer.bank)
    plain = tmp_path / "bank.qonnx"
    export_qonnx(random_decoder(bank), shift, plain)
    assert np.array_equal(tokens_of(samples, parameters), tokens_of(virtual, read_qonnx(plain, bank)))
    assert trace_samples(samples, parameters)["decision"].shape == (1, 1)


@pytest.mark.parametrize(
    ("front", "message"),
    [
        (FrontEnd(np.zeros((4, 4), int)), "spatial_weight in its metadata is missing or no table of integers"),
        (FrontEnd(np.zeros((4, 4), int), np.full((4, 9), 200)), "spatial_weight: values from 200 to 200 do not fit INT8"),
        (FrontEnd(np.zeros((4, 4), int), np.zeros((4, 9), int), 40), "tiny_mixed: spatial_shift: shift=40 is out of range"),
    ],
)
def test_a_spatial_filter_that_does_not_fit_is_refused(tmp_path, front, message):
    path = tmp_path / "mixed.qonnx"
    export_qonnx(random_decoder(MIXED), front, path)
    with pytest.raises(ParameterError, match=message):
        read_qonnx(path, MIXED)


def test_integer_filter_weights_keep_the_direction_of_every_row():
    rng = np.random.default_rng(0)
    spatial, samples = rng.normal(0, 1, (4, 9)), rng.integers(-900, 900, (4000, 9))
    weight, shift = integer_filter(spatial, samples, MIXED.tokenizer)
    assert np.abs(weight).max() <= 128 and 0 <= shift <= 31
    for row, whole in zip(spatial, weight, strict=True):
        assert row @ whole / np.linalg.norm(row) / np.linalg.norm(whole) > 0.999
    virtual = spatial_filter(samples, weight, shift, MIXED.tokenizer)
    assert 500 < np.quantile(np.abs(virtual), 0.999) < 1200
    assert not integer_filter(spatial * 0, samples, MIXED.tokenizer)[0].any()


@pytest.mark.parametrize("recording", [counts(), rhythms()], ids=["counts", "rhythms"])
def test_a_trained_decoder_is_exact_from_samples_to_readout(recording, tmp_path):
    design: Design = design_for(recording, INT8, INT8)
    trained, found = float_ind(recording, design, 0)
    integers = integer_windows(found, design, float_embedding(trained.model), spatial=float_filter(trained.model))
    model = quantize(design, trained.model, integers, 0)
    path = tmp_path / "trained.qonnx"
    export_qonnx(model, front_end(trained.model, integers), path)
    parameters = read_qonnx(path, design)
    rows, _, _ = check_export(model, parameters, integers.compared, golden_tokens(found, parameters))
    assert first_mismatch(rows) is None


@pytest.mark.parametrize("model", ["ind_int8", "ind_int4"])
def test_integer_rows_decode(model):
    values, classes = evaluate(counts(), model, 0), evaluate(rhythms(), model, 0)
    assert r2(values.wanted, values.predicted) > 0.3
    assert accuracy(classes.wanted, classes.predicted) > 0.9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(COUNTED, wavelets=2), "signal='counts' comes as tokens; use wavelets=1, octaves=1, taps=0, cycles=0"),
        (lambda: replace(COUNTED, token_ms=40), "token_ms=40 is not one sample of 20 Hz; use token_ms=50"),
        (lambda: replace(COUNTED, signal="count"), "signal='count' is unknown; use one of voltage, counts, features"),
        (lambda: SpatialSpec(0), "SpatialSpec: virtual_channels=0 is not a positive whole number"),
        (lambda: SpatialSpec(4, UINT8), "SpatialSpec: weight=UINT8 must be a signed format of 2 to 8 bits"),
        (lambda: ModelSpec(4, 8, 1, 16, 2, task="guess"), "task='guess' is unknown; use one of classification, regression"),
        (lambda: ModelSpec(4, 8, 1, 16, 2, pool="max"), "pool='max' is unknown; use one of mean, none"),
    ],
)
def test_specs_are_checked_on_creation(make, message):
    with pytest.raises(DesignError, match=message.replace("(", r"\(")):
        make()


def test_the_plain_designs_have_no_filter_in_front():
    for design in DESIGNS.values():
        assert design.tokenizer.bank == design.tokenizer
