"""FINN's reference graph = golden model = Brevitas, and the command around it."""

import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from random_decoders import DESIGNS, random_decoder, token_shift, windows
from typer.testing import CliRunner

from designs.layer_table import streams
from hw.finn_flow import reference
from quant.check_export import brevitas_trace
from quant.export_qonnx import export_qonnx

pytestmark = pytest.mark.finn
WINDOWS = 60


@pytest.fixture(scope="module")
def cli():
    import typer

    app = typer.Typer()
    app.command()(reference.command)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def quantized(design, folder):
    decoder = random_decoder(design, seed=3)
    export_qonnx(decoder, token_shift(design), folder / "d.qonnx")
    np.savez(folder / "trace.npz", **brevitas_trace(decoder, windows(design, WINDOWS, seed=4)))
    return folder / "d.qonnx", folder / "trace.npz"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return quantized(DESIGNS["int4"], tmp_path_factory.mktemp("tiny"))


def test_finn_equals_golden_and_brevitas_at_every_boundary(cli, tiny, tmp_path):
    result = cli("ind_tiny", "--qonnx", tiny[0], "--trace", tiny[1], "--out", tmp_path)
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "exactness.json").read_text())["rows"]
    for pair in ("brevitas = golden", "finn = golden", "finn = brevitas"):
        of_pair = {row["boundary"]: row for row in rows if row["pair"] == pair}
        assert {stream.name for stream in streams(DESIGNS["int4"])} - {"tokens"} | {"block0_state"} == set(of_pair)
        assert all(row["mismatches"] == 0 and row["windows"] == WINDOWS for row in of_pair.values())
    metrics = {metric["name"]: metric["value"] for metric in json.loads((tmp_path / "metrics.json").read_text())}
    assert (metrics["exact__windows"], metrics["exact__mismatches"]) == (WINDOWS, 0)
    assert (tmp_path / "finn_reference.onnx").exists()


@pytest.mark.parametrize("variant", ["int8", "two_layers", "stream", "stream_int8", "stream_int2"])
def test_other_widths_and_depths_become_integers_too(variant, tmp_path):
    from rich.console import Console

    from quant.golden.exactness import compare, first_mismatch, trace_with_states
    from quant.golden.read_qonnx import read_qonnx

    design = DESIGNS[variant]
    qonnx, _ = quantized(design, tmp_path)
    tokens = windows(design, WINDOWS, seed=9)
    finn = reference.decided(reference.finn_trace(qonnx, tokens, tmp_path, Console(quiet=True)))
    golden = trace_with_states(tokens, read_qonnx(qonnx, design))
    del golden["tokens"]
    assert first_mismatch(compare("finn = golden", golden, finn)) is None


def test_one_changed_weight_in_finns_graph_is_named(cli, tiny, tmp_path):
    graph = onnx.load(tiny[0])
    weight = next(tensor for tensor in graph.graph.initializer if tensor.name == "block0_contract_weight")
    values = numpy_helper.to_array(weight).copy()
    step = np.abs(values[values != 0]).min()
    values[0] = np.where(values[0] > 0, values[0] - step, values[0] + step)
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(graph, tmp_path / "changed.qonnx")
    result = cli("ind_tiny", "--qonnx", tmp_path / "changed.qonnx", "--trace", tiny[1], "--out", tmp_path / "check")
    assert result.exit_code == 1
    line = "ind_tiny: brevitas = golden does not hold at block0_contract: window "
    assert line in result.output and "token " in result.output and ": expected " in result.output
    assert json.loads((tmp_path / "check" / "metrics.json").read_text())[1]["value"] > 0


def test_fewer_windows_on_request(cli, tiny, tmp_path):
    result = cli("ind_tiny", "--qonnx", tiny[0], "--trace", tiny[1], "--out", tmp_path, "--windows", 7)
    assert result.exit_code == 0
    assert json.loads((tmp_path / "metrics.json").read_text())[0]["value"] == 7


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("ind_tinny",), "design 'ind_tinny' is unknown: did you mean ind_tiny?"),
        (("ind_int4",), "d.qonnx: is of design 'ind_tiny', not ind_int4; export it for ind_int4"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(cli, tiny, tmp_path, arguments, line):
    result = cli(*arguments, "--qonnx", tiny[0], "--trace", tiny[1], "--out", tmp_path)
    assert result.exit_code == 2 and line in result.output


def test_a_trace_that_is_none(cli, tiny, tmp_path):
    (tmp_path / "trace.npz").write_bytes(b"PK nothing")
    result = cli("ind_tiny", "--qonnx", tiny[0], "--trace", tmp_path / "trace.npz", "--out", tmp_path)
    assert result.exit_code == 2 and "not a readable trace" in result.output


def test_a_trace_of_another_design(cli, tiny, tmp_path):
    np.savez(tmp_path / "trace.npz", tokens=np.zeros((5, 10, 320), np.uint8))
    result = cli("ind_tiny", "--qonnx", tiny[0], "--trace", tmp_path / "trace.npz", "--out", tmp_path)
    assert result.exit_code == 2 and "its tokens have shape (5, 10, 320) where ind_tiny has windows of (4, 16)" in result.output


def test_a_trace_without_one_boundary_does_not_pass(cli, tiny, tmp_path):
    with np.load(tiny[1]) as found:
        np.savez(tmp_path / "trace.npz", **{name: found[name] for name in found.files if name != "block0_state"})
    result = cli("ind_tiny", "--qonnx", tiny[0], "--trace", tmp_path / "trace.npz", "--out", tmp_path)
    assert result.exit_code == 1 and "block0_state cannot be compared" in result.output


@pytest.mark.parametrize("variant", ["shift", "divide"])
def test_a_design_that_divides_is_refused_before_finn_is_asked(variant, tmp_path):
    from rich.console import Console

    from designs.schema import DesignError

    design = DESIGNS[variant]
    with pytest.raises(DesignError) as caught:
        reference.run(design, tmp_path / "no.qonnx", tmp_path / "no.npz", tmp_path, None, Console(quiet=True))
    assert str(caught.value) == (
        f"tiny_{variant}: model.normaliser='{variant}' divides, which FINN's graph of integers cannot; "
        "use 'none', or stop at the integers"
    )
