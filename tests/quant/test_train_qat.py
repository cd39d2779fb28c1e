"""The command from a float checkpoint to a checked QONNX, and each of its refusals."""

import json

import numpy as np
import pytest
import torch
import typer
from random_decoders import DESIGNS
from typer.testing import CliRunner

from designs.decoding_set import DecodingSet
from designs.layer_table import streams
from models.checkpoint import load_tensors, save_checkpoint
from models.ind import Ind
from models.standardise import Standardisation
from quant import fine_tune, integer_windows, train_qat
from quant.golden.pool import tokenize
from quant.golden.read_qonnx import read_qonnx
from quant.golden.trace import trace_samples

TINY = DESIGNS["int4"]
SPEC = TINY.tokenizer
TOKENS = 60
PER_PART = 40
COMPARED = TOKENS - TINY.model.tokens + 1
"""All windows of the test stream: fewer than are wanted."""
EMBED = np.ones((TINY.model.embed_dim, SPEC.features))


def decoding_set(seed: int = 0, **changes) -> DecodingSet:
    """Three streams of noise whose loudness goes with the label, one per part; electrode 3 of them is dead."""
    rng = np.random.default_rng(seed)
    loud = rng.integers(1, 5, (3, TOKENS)).repeat(SPEC.token_samples, axis=1).reshape(-1, 1)
    samples = (rng.normal(0, 100, (len(loud), SPEC.channels)) * loud).clip(-2048, 2047).astype(np.int16)
    samples[:, 3] = 0
    windows = {
        "window_stream": np.repeat(np.arange(3), PER_PART),
        "window_token": np.tile(np.arange(TOKENS - PER_PART, TOKENS), 3),
        "window_part": np.repeat(np.arange(3), PER_PART),
    }
    windows["window_label"] = (
        loud[windows["window_stream"] * len(loud) // 3 + windows["window_token"] * SPEC.token_samples, 0] - 1
    )
    start = np.arange(3) * len(loud) // 3
    facts = {"label_names": np.array(["a", "b", "c", "d"]), "lsb_uv": np.array(1.0), "sample_hz": np.array(600.0)}
    return DecodingSet(
        **{"samples": samples, "stream_start": start, "source": np.array("noise"), **windows, **facts, **changes}
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    torch.manual_seed(1)
    standardisation = Standardisation(torch.zeros(SPEC.features), torch.ones(SPEC.features))
    save_checkpoint(folder / "model.safetensors", TINY, Ind(TINY), standardisation)
    decoding_set().save(folder / "decoding_set.npz")
    return folder


@pytest.fixture(scope="module")
def cli():
    app = typer.Typer()
    app.command()(train_qat.command)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def quantized(cli, trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("quantize")
    result = cli("ind_tiny", "--train", trained, "--out", out, "--epochs", 2)
    assert result.exit_code == 0, result.output
    return out


def test_it_leaves_complete_files_and_nothing_else(quantized):
    found = {path.name for path in quantized.iterdir()}
    assert found == {"qat.safetensors", "ind_tiny.qonnx", "brevitas_trace.npz", "exactness.json", "metrics.json"}
    tensors, metadata = load_tensors(quantized / "qat.safetensors")
    assert metadata["design"] == "ind_tiny" and "blocks.0.attention.query.weight" in tensors


def test_metrics_and_exactness(quantized):
    metrics = {metric["name"]: metric for metric in json.loads((quantized / "metrics.json").read_text())}
    assert metrics["accuracy__qat"]["value"] == metrics["accuracy__integer"]["value"]
    assert {"macro_f1__integer", "accuracy__calibrated", "wall_s__quantize"} <= set(metrics)
    assert "40 test windows of noise" in metrics["accuracy__integer"]["origin"]
    rows = json.loads((quantized / "exactness.json").read_text())["rows"]
    assert {stream.name for stream in streams(TINY)} <= {row["boundary"] for row in rows}
    assert all(row["mismatches"] == 0 and row["windows"] == COMPARED for row in rows)


def test_the_trace_is_what_the_samples_give_from_reset(quantized, trained):
    parameters, found = read_qonnx(quantized / "ind_tiny.qonnx", TINY), DecodingSet.load(trained / "decoding_set.npz")
    test = found.windows_of("test")
    whole = trace_samples(found.streams[2].astype(np.int64), parameters)
    last = found.window_token[test]
    with np.load(quantized / "brevitas_trace.npz") as trace:
        assert np.array_equal(trace["test_window"], test)
        assert np.array_equal(trace["test_label"], found.window_label[test])
        assert np.array_equal(trace["tokens"][:PER_PART, -1], whole["tokens"][last])
        assert len(trace["tokens"]) == len(np.unique(trace["tokens"], axis=0)) == COMPARED
        for name in ("window", "block0_attention", "pool", "readout", "decision"):
            assert np.array_equal(trace[name][:PER_PART], whole[name][last - TINY.model.tokens + 1])
        assert trace["tokens"].dtype == np.uint8 and trace["window"].dtype == np.int8


def test_token_shifts_use_the_token_format_well_and_a_dead_electrode_gives_zeros(quantized, trained):
    parameters, found = read_qonnx(quantized / "ind_tiny.qonnx", TINY), DecodingSet.load(trained / "decoding_set.npz")
    tokens = tokenize(found.streams[0].astype(np.int64), SPEC, parameters.token_shift)[-PER_PART:].reshape(PER_PART, 4, 4)
    assert (tokens[:, 3] == 0).all() and (parameters.linear["embed"].weight[:, 12:] == 0).all()
    assert (tokens[:, :3].max(axis=0) > 100).all()
    assert (tokens == 255).mean() < 0.02


def test_tokens_do_not_depend_on_how_many_channels_are_filtered_at_a_time(monkeypatch):
    whole = integer_windows.integer_windows(decoding_set(), TINY, EMBED).parts["test"].tokens
    monkeypatch.setattr(integer_windows, "CHANNELS_AT_ONCE", 3)
    assert torch.equal(integer_windows.integer_windows(decoding_set(), TINY, EMBED).parts["test"].tokens, whole)


def test_few_labelled_windows_are_joined_by_others_evenly_spread(monkeypatch):
    found = decoding_set()
    monkeypatch.setattr(integer_windows, "WINDOWS_COMPARED", PER_PART + 3)
    ends = integer_windows.compared_ends(found, TINY)
    assert ends[:PER_PART].tolist() == [[2, token] for token in range(TOKENS - PER_PART, TOKENS)]
    assert ends[PER_PART:].tolist() == [[2, 3], [2, 11], [2, 19]]
    monkeypatch.setattr(integer_windows, "WINDOWS_COMPARED", 7)
    assert len(integer_windows.compared_ends(found, TINY)) == PER_PART


def test_brevitas_tokens_that_are_not_the_golden_tokenizers_are_found(cli, trained, tmp_path, monkeypatch):
    real = train_qat.golden_tokens
    monkeypatch.setattr(train_qat, "golden_tokens", lambda *given: real(*given) ^ 1)
    result = cli("ind_tiny", "--train", trained, "--out", tmp_path, "--epochs", 0)
    assert result.exit_code == 1 and "does not hold at tokens: window 0, token 0, index 0" in result.output


def test_the_same_seed_gives_the_same_integers(cli, trained, quantized, tmp_path):
    assert cli("ind_tiny", "--train", trained, "--out", tmp_path, "--epochs", 2).exit_code == 0
    first, second = (read_qonnx(folder / "ind_tiny.qonnx", TINY) for folder in (quantized, tmp_path))
    for name, values in first.linear.items():
        assert np.array_equal(values.weight, second.linear[name].weight)
        assert np.array_equal(values.bias, second.linear[name].bias)


def test_fine_tuning_never_ends_worse_on_validation_than_it_began(cli, trained, tmp_path):
    losses = []
    real = fine_tune.divergence

    def recorded(taught, found):
        losses.append(real(taught, found))
        return losses[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fine_tune, "divergence", recorded)
        assert cli("ind_tiny", "--train", trained, "--out", tmp_path, "--epochs", 3).exit_code == 0
    best = {m["name"]: m["value"] for m in json.loads((tmp_path / "metrics.json").read_text())}["qat__best_epoch"]
    assert losses[int(best)] == min(losses)


def test_an_export_that_is_not_exact_ends_with_exit_code_1(cli, trained, tmp_path, monkeypatch):
    real = train_qat.read_qonnx

    def damaged(path, design):
        parameters = real(path, design)
        parameters.linear["embed"].bias[0] += 1 << parameters.linear["embed"].shift
        return parameters

    monkeypatch.setattr(train_qat, "read_qonnx", damaged)
    result = cli("ind_tiny", "--train", trained, "--out", tmp_path, "--epochs", 0)
    assert result.exit_code == 1
    assert "quant.train_qat: ind_tiny: brevitas = golden does not hold at embed: window 0, token 0, index 0" in result.output
    assert not (tmp_path / "metrics.json").exists()


def refused(cli, folder, tmp_path, design="ind_tiny") -> str:
    result = cli(design, "--train", folder, "--out", tmp_path / "out", "--epochs", 0)
    assert result.exit_code == 2
    lines = [line for line in result.output.splitlines() if line.startswith("quant.train_qat: ")]
    assert len(lines) == 1
    return lines[0]


def test_an_unknown_design(cli, trained, tmp_path):
    assert refused(cli, trained, tmp_path, "ind_tony").endswith("design 'ind_tony' is unknown: did you mean ind_tiny?")


def test_a_checkpoint_of_another_design(cli, trained, tmp_path):
    assert "is of design ind_tiny" in refused(cli, trained, tmp_path, "ind_int4")


def test_no_checkpoint(cli, tmp_path):
    assert "no such checkpoint" in refused(cli, tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"sample_hz": np.array(500.0)}, "4 channels at 500 Hz where ind_tiny has 4 at 600; train ind_tiny again"),
        ({"window_part": np.repeat([0, 1, 1], PER_PART)}, "has no test windows; use a longer recording"),
        ({"samples": np.full((3 * TOKENS * SPEC.token_samples, 4), 2048, np.int16)}, "holds samples beyond INT12"),
    ],
)
def test_a_decoding_set_that_does_not_fit(cli, trained, tmp_path, changes, line):
    (tmp_path / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    decoding_set(**changes).save(tmp_path / "decoding_set.npz")
    assert line in refused(cli, tmp_path, tmp_path)


def test_a_damaged_decoding_set(cli, trained, tmp_path):
    (tmp_path / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    (tmp_path / "decoding_set.npz").write_bytes((trained / "decoding_set.npz").read_bytes()[:5000])
    assert "decoding_set.npz: not a readable decoding set" in refused(cli, tmp_path, tmp_path)


def test_an_interrupt_leaves_no_half_written_file(cli, trained, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(train_qat, "save_trace", interrupted)
    result = cli("ind_tiny", "--train", trained, "--out", tmp_path, "--epochs", 0)
    assert result.exit_code == 130 and "run the same command again" in result.output
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]
    assert not (tmp_path / "metrics.json").exists()
