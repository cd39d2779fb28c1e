"""Brevitas' integers = the exported graph's integers in the golden model, at every boundary."""

import numpy as np
import onnx
import pytest
import torch
from random_decoders import DESIGNS, random_decoder, token_shift, windows

from designs.layer_table import streams
from quant.calibrate import leak_octaves, shifts
from quant.check_export import check_export
from quant.export_qonnx import export_qonnx
from quant.golden.exactness import first_mismatch, layers_beyond_float32
from quant.golden.parameters import IntegerParameters
from quant.golden.read_qonnx import read_qonnx
from quant.quant_ind import QuantInd
from quant.quantizers import range_log2


@pytest.fixture(scope="module", params=DESIGNS)
def exported(request, tmp_path_factory) -> tuple[QuantInd, IntegerParameters]:
    design = DESIGNS[request.param]
    decoder = random_decoder(design)
    path = tmp_path_factory.mktemp("export") / f"{design.name}.qonnx"
    export_qonnx(decoder, token_shift(design), path)
    return decoder, read_qonnx(path, design)


def test_every_boundary_of_hundreds_of_windows_is_equal(exported):
    decoder, parameters = exported
    rows, traced, golden = check_export(decoder, parameters, windows(decoder.design, 400, seed=5))
    assert first_mismatch(rows) is None
    assert {stream.name for stream in streams(decoder.design)} <= {row.boundary for row in rows}
    assert "block0_state" in golden
    for stream in streams(decoder.design):
        assert traced[stream.name].min() >= stream.format.min and traced[stream.name].max() <= stream.format.max
    assert len(np.unique(golden["readout"])) > 20  # the decoder does not just saturate


def test_weights_and_shifts_are_those_of_the_quantized_layers(exported):
    decoder, parameters = exported
    for name, shift in shifts(decoder).items():
        if name in parameters.linear:
            layer = decoder.layer(name)
            assert parameters.linear[name].shift == shift
            quantized = layer.quant_weight().detach()
            assert np.array_equal(parameters.linear[name].weight * float(quantized.scale), quantized.value.numpy())
    if decoder.design.model.streaming:
        for name, (coarser, _, _) in leak_octaves(decoder).items():
            leak = parameters.pool_leak if name == "pool" else parameters.attention[int(name[5])].leak
            assert leak.kept - leak.added == coarser
    else:
        assert parameters.attention[0].state == shifts(decoder)["block0_state"]
        assert parameters.mean_shift == shifts(decoder)["pool"]
    used = "out" if decoder.design.model.normaliser == "none" else "numerator"
    assert getattr(parameters.attention[0], used) == shifts(decoder)["block0_attention"]
    assert np.array_equal(parameters.token_shift, token_shift(decoder.design))


def test_readout_scale_gives_the_logits(exported):
    decoder, parameters = exported
    tokens = windows(decoder.design, 20)
    with torch.no_grad():
        logits = decoder(torch.from_numpy(tokens).float()).numpy()
    readout = check_export(decoder, parameters, tokens)[2]["readout"]
    readout = readout[:, -1] if decoder.design.model.streaming else readout
    assert np.array_equal(readout * parameters.readout_scale, logits)


def test_float32_holds_every_sum_of_these_decoders(exported):
    assert layers_beyond_float32(exported[1]) == []


def test_a_changed_weight_is_found_and_named(exported):
    decoder, parameters = exported
    parameters.linear["block0_expand"].weight[0, 0] ^= 1
    rows = check_export(decoder, parameters, windows(decoder.design, 100))[0]
    parameters.linear["block0_expand"].weight[0, 0] ^= 1
    assert "brevitas = golden does not hold at block0_expand: window " in first_mismatch(rows)


def test_rounding_half_to_even_would_be_found(monkeypatch, exported):
    from quant import quantizers

    decoder, parameters = exported
    monkeypatch.setattr(quantizers.HalfUp, "forward", lambda self, values: torch.round(values))
    rows = check_export(decoder, parameters, windows(decoder.design, 400))[0]
    assert first_mismatch(rows) is not None


def test_the_graph_names_every_boundary_and_says_half_up(tmp_path):
    design = DESIGNS["int4"]
    export_qonnx(random_decoder(design), token_shift(design), tmp_path / "d.qonnx")
    graph = onnx.load(tmp_path / "d.qonnx")
    quantizers = {node.output[0]: node for node in graph.graph.node if node.op_type == "Quant"}
    for stream in streams(design):
        if stream.name not in ("tokens", "readout", "decision"):
            modes = [attribute.s for attribute in quantizers[stream.name].attribute if attribute.name == "rounding_mode"]
            assert modes == [b"HALF_UP"]
    assert [path.name for path in tmp_path.iterdir()] == ["d.qonnx"]


def test_ranges_that_would_need_a_left_shift_are_put_right():
    from quant.calibrate import keep_shifts_in_range

    decoder = random_decoder(DESIGNS["two_layers"])
    with torch.no_grad():
        range_log2(decoder.blocks[0].attention.state_out).sub_(9)
        range_log2(decoder.stream).sub_(12)
        range_log2(decoder.blocks[1].expand_out).sub_(20)
    assert min(shifts(decoder).values()) < 0
    keep_shifts_in_range(decoder)
    assert min(shifts(decoder).values()) >= 0
