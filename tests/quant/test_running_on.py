"""Decoders whose states run on: the leaky mean by hand, pieces that give what the whole gives, and graphs that are refused."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from random_decoders import DESIGNS, random_decoder, token_shift, windows

from designs.number_format import INT8, IntFormat
from quant.check_export import brevitas_trace
from quant.export_qonnx import export_qonnx
from quant.golden.leaky_mean import leaky_mean, leaky_means
from quant.golden.parameters import LeakShifts, ParameterError
from quant.golden.read_qonnx import read_qonnx
from quant.golden.stream_trace import trace_embedded
from quant.golden.trace import trace_tokens
from quant.running_on import brevitas_readouts, golden_readouts

STREAM = DESIGNS["stream"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    decoder, path = random_decoder(STREAM), tmp_path_factory.mktemp("running_on") / "d.qonnx"
    export_qonnx(decoder, token_shift(STREAM), path)
    return decoder, path


def test_a_leaky_mean_keeps_three_quarters_and_takes_one_rounding_half_up():
    old, new = np.array([8, 7, -6, 127, -128]), np.array([0, 3, 0, 127, -128])
    assert leaky_mean(old, new, LeakShifts(), INT8).tolist() == [6, 6, -4, 127, -128]  # -4.5 is rounded up
    assert leaky_mean(old, new, LeakShifts(added=2), INT8).tolist() == [6, 8, -4, 127, -128]
    assert leaky_mean(old, new, LeakShifts(kept=2), INT8).tolist() == [6, 5, -4, 103, -104]


def test_a_leaky_mean_of_a_constant_stops_near_it_and_saturates():
    means = leaky_means(np.full(60, 40), LeakShifts(), INT8)
    assert means[0] == 10 and 38 <= means[-1] <= 41 and (np.diff(means) >= 0).all()
    assert leaky_means(np.full(60, 40), LeakShifts(added=2), INT8)[-1] == 127
    assert leaky_means(np.full(60, 40), LeakShifts(added=2), IntFormat(6))[-1] == 31


def test_nothing_decides_by_what_comes_later(exported):
    parameters = read_qonnx(exported[1], STREAM)
    tokens = windows(STREAM, 6).reshape(1, -1, STREAM.tokenizer.features)
    whole, part = trace_tokens(tokens, parameters), trace_tokens(tokens[:, :9], parameters)
    for name, values in part.items():
        assert np.array_equal(values, whole[name][:, :9]), name


def test_brevitas_runs_on_over_pieces_as_the_golden_model_over_the_whole(exported, monkeypatch):
    decoder, parameters = exported[0], read_qonnx(exported[1], STREAM)
    streams = {3: windows(STREAM, 12).reshape(-1, STREAM.tokenizer.features), 5: windows(STREAM, 3, 1)[0]}
    golden = golden_readouts(streams, parameters)
    for at_once in (512, 7, 1):
        monkeypatch.setattr("quant.running_on.TOKENS_AT_ONCE", at_once)
        found = brevitas_readouts(streams, decoder)
        for number in streams:
            for name in ("readout", "decision"):
                assert np.array_equal(found[number][name], golden[number][name]), (at_once, number, name)


def test_a_step_of_one_token_is_what_unrolling_gives(exported):
    decoder = exported[0]
    tokens = torch.from_numpy(windows(STREAM, 5)).float()
    unrolled, logits = decoder.boundaries(tokens)
    before = decoder.at_reset(len(tokens))
    for token in range(tokens.shape[1]):
        found, readout = decoder.boundaries(tokens[:, token : token + 1], before)
        before = {name: found[name].value for name in before}
        assert torch.equal(readout[:, 0], logits[:, token])
        assert torch.equal(before["block1_state"], unrolled["block1_state"].value[:, token])


def test_every_row_of_a_trace_is_a_token(exported):
    traced = brevitas_trace(exported[0], windows(STREAM, 4))
    embed = traced["embed"][2]
    found = trace_embedded(embed, read_qonnx(exported[1], STREAM))
    for name, values in found.items():
        assert np.array_equal(values, traced[name][2]), name


@pytest.mark.parametrize(
    ("constant", "line"),
    [
        ("share", "block0_state is not 0.75 of the state before and 0.25 of what is new; export it again"),
        ("after", "pool_after is not pool in integers; export it again"),
    ],
)
def test_another_leak_is_refused(exported, tmp_path, constant, line):
    graph = onnx.load(exported[1])
    producers = {node.output[0]: node for node in graph.graph.node}
    if constant == "after":
        name = producers["pool_after"].input[1]
    else:
        name = producers[producers[producers["block0_state"].input[0]].input[0]].input[1]
    holders = {tensor.name: tensor for tensor in graph.graph.initializer}
    holders |= {node.output[0]: node.attribute[0].t for node in graph.graph.node if node.op_type == "Constant"}
    holders[name].CopyFrom(numpy_helper.from_array(numpy_helper.to_array(holders[name]) / 2, name))
    onnx.save(graph, tmp_path / "d.qonnx")
    with pytest.raises(ParameterError) as caught:
        read_qonnx(tmp_path / "d.qonnx", STREAM)
    assert str(caught.value) == f"d.qonnx: {line}"


def test_a_leak_beyond_its_limits_is_refused(exported):
    from dataclasses import replace

    parameters = read_qonnx(exported[1], STREAM)
    with pytest.raises(ParameterError, match="pool leak: kept=1, added=0 are out of range; use 0 to 0, 0 to 4, one of them 0"):
        replace(parameters, pool_leak=LeakShifts(kept=1))
