"""Errors say who, what, and what to do. Their wording is part of what we offer, so it is tested."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from designs.catalogue import find_design
from designs.decoding_set import DecodingSet, DecodingSetError
from designs.ind_tiny import IND_TINY
from designs.metric import Metric, MetricError, read_metrics, write_metrics
from designs.number_format import INT8, UINT8, IntFormat
from designs.schema import Design, DesignError, PreprocessSpec, SpatialSpec
from quant.golden.exactness import ExactnessError, read_rows
from rtl_sim.backends import with_backend

ROOT = Path(__file__).resolve().parents[1]
PREPROCESS = PreprocessSpec(drift_bits=8, dead_after=1200)
TOKENIZER, MODEL, QUANT, HARDWARE = IND_TINY.tokenizer, IND_TINY.model, IND_TINY.quant, IND_TINY.hardware


@pytest.mark.parametrize(
    ("spec", "change", "message"),
    [
        (TOKENIZER, {"channels": 0}, "TokenizerSpec: channels=0 is not a positive whole number"),
        (TOKENIZER, {"octaves": True}, "TokenizerSpec: octaves=True is not a positive whole number"),
        (TOKENIZER, {"wavelets": 6}, "TokenizerSpec: wavelets=6 is not a multiple of octaves=4"),
        (TOKENIZER, {"taps": 15}, "TokenizerSpec: taps=15 must be even, from 14 to 64"),
        (TOKENIZER, {"taps": 12}, "TokenizerSpec: taps=12 must be even, from 14 to 64"),
        (TOKENIZER, {"cycles": 0.1}, "TokenizerSpec: cycles=0.1 is out of range; use 0.5 to 20"),
        (
            TOKENIZER,
            {"token_ms": 101},
            "TokenizerSpec: token_ms=101 at sample_hz=600 is 60.6 samples; choose token_ms so that a token has an even number "
            "of samples",
        ),
        (
            TOKENIZER,
            {"token_ms": 10},
            "TokenizerSpec: a token of 6 samples is too short for octaves=4; use at least 16 samples per token or fewer "
            "octaves",
        ),
        (TOKENIZER, {"sample": IntFormat(12, signed=False)}, "TokenizerSpec: sample=UINT12 must be signed"),
        (TOKENIZER, {"token": INT8}, "TokenizerSpec: token=INT8 must be unsigned, magnitudes have no sign"),
        (TOKENIZER, {"electrodes": ("C3",)}, "TokenizerSpec: 1 electrodes named for channels=4; name all of them or none"),
        (
            TOKENIZER,
            {"centres": [0.2]},
            "TokenizerSpec: centres=[0.2] is no tuple of floats; write centres=(0.25, 0.18), or () for even spacing",
        ),
        (
            TOKENIZER,
            {"centres": (np.float64(0.2),)},
            "TokenizerSpec: centres=(np.float64(0.2),) is no tuple of floats; write centres=(0.25, 0.18), or () for even "
            "spacing",
        ),
        (
            TOKENIZER,
            {"centres": (0.25, 0.18)},
            "TokenizerSpec: centres=(0.25, 0.18) are 2 for wavelets_per_octave=1; give one for each, or () for even spacing",
        ),
        (
            TOKENIZER,
            {"centres": (0.31,)},
            "TokenizerSpec: centres=(0.31,) are out of range; use 0.1 to 0.3 of the octave's rate",
        ),
        (
            TOKENIZER,
            {"centres": (math.nan,)},
            "TokenizerSpec: centres=(nan,) are out of range; use 0.1 to 0.3 of the octave's rate",
        ),
        (
            TOKENIZER,
            {"wavelets": 8, "centres": (0.2, 0.2)},
            "TokenizerSpec: centres=(0.2, 0.2) must descend, each once",
        ),
        (
            find_design("spikes_int4").tokenizer,
            {"centres": (0.2,)},
            "TokenizerSpec: signal='counts' comes as tokens, behind which are no wavelets; use centres=()",
        ),
        (
            TOKENIZER,
            {"spatial": 8},
            "TokenizerSpec: spatial=8 is no SpatialSpec; write spatial=SpatialSpec(virtual_channels=8), or None",
        ),
        (
            TOKENIZER,
            {"preprocess": True},
            "TokenizerSpec: preprocess=True is no PreprocessSpec; write preprocess=PreprocessSpec(drift_bits=8, "
            "dead_after=1200), or None",
        ),
        (
            TOKENIZER,
            {"spatial": SpatialSpec(9)},
            "TokenizerSpec: spatial.virtual_channels=9 is out of range for channels=4; use 1 to 8",
        ),
        (SpatialSpec(8), {"weight": 8}, "SpatialSpec: weight=8 must be a signed format of 2 to 8 bits"),
        (PREPROCESS, {"dead_after": 0}, "PreprocessSpec: dead_after=0 is not a positive whole number"),
        (PREPROCESS, {"dead_after": 65536}, "PreprocessSpec: dead_after=65536 is out of range; use 1 to 65535 samples"),
        (PREPROCESS, {"drift_bits": 17}, "PreprocessSpec: drift_bits=17 is out of range; use 0 to 16, 0 for no average"),
        (PREPROCESS, {"drift_bits": True}, "PreprocessSpec: drift_bits=True is out of range; use 0 to 16, 0 for no average"),
        (PREPROCESS, {"drift_bits": -1}, "PreprocessSpec: drift_bits=-1 is out of range; use 0 to 16, 0 for no average"),
        (
            TOKENIZER,
            {
                "signal": "counts",
                "wavelets": 1,
                "octaves": 1,
                "taps": 0,
                "cycles": 0,
                "sample_hz": 20,
                "token_ms": 50,
                "preprocess": PREPROCESS,
            },
            "TokenizerSpec: signal='counts' comes as tokens, which are not preprocessed; use preprocess=None",
        ),
        (MODEL, {"embed_dim": -8}, "ModelSpec: embed_dim=-8 is not a positive whole number"),
        (MODEL, {"tokens": 1}, "ModelSpec: tokens=1 leaves nothing to attend to; use at least 2"),
        (MODEL, {"outputs": 1}, "ModelSpec: outputs=1 leaves nothing to decide; use at least 2"),
        (MODEL, {"attention": "causal"}, "ModelSpec: attention='causal' is unknown; use window or stream"),
        (
            MODEL,
            {"attention": "stream", "pool": "none"},
            "ModelSpec: attention='stream' keeps no window that pool='none' could read out; use pool='mean'",
        ),
        (
            MODEL,
            {"attention": "stream", "normaliser": "divide"},
            "ModelSpec: attention='stream' has no sum of keys for normaliser='divide'; use normaliser='none'",
        ),
        (MODEL, {"normaliser": "softmax"}, "ModelSpec: normaliser='softmax' is unknown; use one of none, shift, divide"),
        (QUANT, {"weight": IntFormat(9)}, "QuantSpec: weight=INT9 must be a signed format of 2 to 8 bits"),
        (QUANT, {"activation": UINT8}, "QuantSpec: activation=UINT8 must be a signed format of 2 to 8 bits"),
        (HARDWARE, {"clock_khz": 0}, "HardwareSpec: clock_khz=0 is not a positive whole number"),
        (HARDWARE, {"latency_budget_ms": 0}, "HardwareSpec: latency_budget_ms=0 must be positive"),
        (HARDWARE, {"backend": "hls"}, "HardwareSpec: backend='hls' is unknown; use one of engine, amaranth, finn"),
        (IND_TINY, {"name": "ind tiny"}, "Design: name='ind tiny' must be letters, digits and underscores"),
        (
            IND_TINY,
            {"hardware": replace(HARDWARE, clock_khz=10)},
            "ind_tiny: clock_khz=10 gives 1600 cycles per decision, fewer than hardware.stage_cycles=2400; raise the clock",
        ),
    ],
)
def test_a_design_is_checked_on_creation(spec: Design, change: dict, message: str) -> None:
    with pytest.raises(DesignError) as caught:
        replace(spec, **change)
    assert str(caught.value) == message


@pytest.mark.parametrize("bits", [0, 64, 4.0])
def test_a_number_format_has_a_width(bits: int) -> None:
    with pytest.raises(ValueError, match=rf"^IntFormat: bits={bits} is out of range; use 1 to 63$"):
        IntFormat(bits)


def test_states_that_run_on_have_no_pipeline() -> None:
    with pytest.raises(DesignError) as caught:
        with_backend("ind_stream_int4", "finn")
    assert str(caught.value) == (
        "ind_stream_int4: model.attention='stream' has no hardware.backend='finn'; use backend='engine'"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ind_in4", "design 'ind_in4' is unknown: did you mean ind_int4?"),
        ("eeg-int4", "design 'eeg-int4' is unknown: did you mean eeg_int4?"),
        (
            "retina",
            "design 'retina' is unknown: the designs are ind_tiny, ind_int8, ind_int8_64ch, ind_int4, "
            "ind_stream_int4, eeg_int4, eeg_mixed_int4, spikes_int4",
        ),
    ],
)
def test_an_unknown_design_names_the_nearest(name: str, message: str) -> None:
    with pytest.raises(DesignError) as caught:
        find_design(name)
    assert str(caught.value) == message


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 truncated", b"not an archive"])
def test_an_unreadable_decoding_set_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "decoding_set.npz"
    path.write_bytes(content)
    with pytest.raises(DecodingSetError, match=r"^decoding_set\.npz: not a readable decoding set \(.*\); prepare it again$"):
        DecodingSet.load(path)


def test_a_decoding_set_is_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "decoding_set.npz"
    np.savez(path, samples=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(DecodingSetError, match=r"not a readable decoding set"):
        DecodingSet.load(path)


METRIC = {"name": "power__total_uw", "value": 1.0, "unit": "uW", "better": "lower", "origin": "test"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"better": "more"}, "metric power__total_uw: better='more' is unknown; use one of higher, lower, none"),
        ({"value": float("nan")}, "metric power__total_uw: value=nan is not a finite number; nothing was measured"),
        ({"value": -math.inf}, "metric power__total_uw: value=-inf is not a finite number; nothing was measured"),
        ({"value": True}, "metric power__total_uw: value=True is not a finite number; nothing was measured"),
        ({"value": "1"}, "metric power__total_uw: value='1' is not a finite number; nothing was measured"),
        ({"origin": ""}, "metric power__total_uw: it has no origin; say which tool and which data it comes from"),
    ],
)
def test_a_number_without_meaning_is_no_metric(change: dict, message: str) -> None:
    with pytest.raises(MetricError) as caught:
        Metric(**(METRIC | change))
    assert str(caught.value) == message


def test_metrics_are_a_flat_list_and_nothing_half_written_stays(tmp_path: Path) -> None:
    metric = Metric("a", 1.5, "s", "lower", "here")
    write_metrics(tmp_path / "metrics.json", [metric])
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found == [{"name": "a", "value": 1.5, "unit": "s", "better": "lower", "origin": "here"}]
    assert read_metrics(tmp_path / "metrics.json") == (metric,)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_a_metric_is_given_once(tmp_path: Path) -> None:
    with pytest.raises(MetricError, match=r"^metrics\.json: metric power__total_uw is given twice$"):
        write_metrics(tmp_path / "metrics.json", [Metric(**METRIC)] * 2)


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"name": "x"}]', '{"a": 1}'])
def test_an_unreadable_metrics_file_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(MetricError) as caught:
        read_metrics(path)
    assert str(caught.value).startswith(f"{path}: not a readable metrics.json (")
    assert str(caught.value).endswith("); give the one a build left in its folder")
    assert "\n" not in str(caught.value)


ROW = {"boundary": "pool", "pair": "RTL = golden", "windows": 2, "values": 16, "mismatches": 0, "first": None}


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [ROW | {"values": 0}],
        [ROW | {"first": {"window": 0, "index": [0], "expected": 1, "found": 2}}],
        [{"boundary": "pool"}],
    ],
    ids=["none", "empty", "first", "part"],
)
def test_a_comparison_of_nothing_has_not_passed(tmp_path: Path, rows: list) -> None:
    path = tmp_path / "exactness.json"
    path.write_text(json.dumps({"rows": rows}))
    with pytest.raises(ExactnessError, match=r"exactness\.json: (not a readable|compares nothing)"):
        read_rows(path)


def run_build(*arguments: str, cwd: Path = ROOT) -> tuple[int, list[str]]:
    done = subprocess.run([sys.executable, "-m", "hw.build", *arguments], cwd=cwd, capture_output=True, text=True)
    return done.returncode, done.stderr.strip().splitlines()


def _nothing(folder: Path) -> None:
    pass


def _another_build(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out/build.json").write_text('{"design": "ind_int4", "target": "osu018"}')


def _a_list_as_record(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out/build.json").write_text("[]")


def _earlier(design: str, *metrics: Metric) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        (folder / "build.json").write_text(json.dumps({"design": design}))
        write_metrics(folder / "metrics.json", metrics)

    return prepare


@pytest.mark.parametrize(
    ("arguments", "prepare", "line"),
    [
        (["ind_tin"], _nothing, "design 'ind_tin' is unknown: did you mean ind_tiny?"),
        (
            ["ind_tiny", "--recording", "{0}/none.npz"],
            _nothing,
            "{0}/none.npz: no such recording; give a file, a folder or moabb:NAME",
        ),
        (["ind_tiny", "--until", "syntesize"], _nothing, "--until syntesize: no such step: did you mean synthesize?"),
        (
            ["ind_tiny", "--backend", "hls"],
            _nothing,
            "HardwareSpec: backend='hls' is unknown; use one of engine, amaranth, finn",
        ),
        (
            ["ind_tiny", "--clock-khz", "5"],
            _nothing,
            "ind_tiny: clock_khz=5 gives 800 cycles per decision, fewer than hardware.stage_cycles=2400; raise the clock",
        ),
        (
            ["eeg_mixed_int4", "--clock-khz", "9", "--until", "train"],
            _nothing,
            "eeg_mixed_int4: the engine's passes take 4398 cycles per decision, but clock_khz=9 gives 3600; use clock_khz=11 "
            "or more",
        ),
        (
            ["eeg_mixed_int4", "--clock-khz", "8", "--backend", "amaranth"],
            _nothing,
            "eeg_mixed_int4: spatial filter and wavelets take 3204 cycles per decision, but clock_khz=8 gives 3200; use "
            "clock_khz=9 or more",
        ),
        (
            ["ind_tiny", "--target", "sky130"],
            _nothing,
            "ind_tiny: target 'sky130' is unknown; use ihp_sg13g2, osu018 or the path of a Liberty file",
        ),
        (["ind_tiny", "--board", "icebraker"], _nothing, "board 'icebraker' is unknown: did you mean icebreaker?"),
        (
            ["ind_tiny", "--out", "{0}/out"],
            _another_build,
            "{0}/out holds the results of `ind_int4 --target osu018`; give another folder with --out, or delete it",
        ),
        (
            ["ind_tiny", "--compare", "{0}/none.json"],
            _nothing,
            "{0}/none.json: not a readable metrics.json ([Errno 2] No such file or directory: '{0}/none.json'); give the one a "
            "build left in its folder",
        ),
        (
            ["ind_tiny", "--compare", "{0}/metrics.json", "--until", "quantize"],
            _earlier("ind_tiny"),
            "--compare {0}/metrics.json: has no metrics of the steps from train to quantize; give the one a build left in its "
            "folder",
        ),
        (
            ["ind_tiny", "--compare", "{0}/metrics.json"],
            _earlier("ind_int4", Metric("power", 1, "uW", "lower", "test")),
            "--compare {0}/metrics.json: is of ind_int4, not of ind_tiny; give one of ind_tiny",
        ),
        (
            ["ind_tiny", "--until", "nope"],
            _nothing,
            "--until nope: no such step: the steps are train, quantize, check, elaborate, lint, simulate, synthesize, timing, "
            "activity, power, floor, report",
        ),
        (
            ["ind_tiny", "--board", "icebreaker", "--backend", "finn", "--clock-khz", "100"],
            _nothing,
            "--board icebreaker: leave out --backend and --clock-khz; a bitstream is of our own core, at the clock of its "
            "board",
        ),
        (
            ["ind_tiny", "--out", "/proc/none/out"],
            _nothing,
            "/proc/none/out cannot be written (No such file or directory); give another folder with --out",
        ),
        (
            ["ind_tiny", "--out", "{0}/out"],
            _a_list_as_record,
            "{0}/out/build.json cannot be read (not an object); give another folder with --out",
        ),
    ],
)
def test_wrong_use_is_one_line_and_code_2(
    tmp_path: Path, arguments: list[str], prepare: Callable[[Path], None], line: str
) -> None:
    prepare(tmp_path)
    code, lines = run_build(*(argument.format(tmp_path) for argument in arguments))
    assert lines == [line.format(tmp_path)]
    assert code == 2


def test_a_missing_tool_is_told_before_the_first_step(tmp_path: Path) -> None:
    only_python = {"PATH": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "hw.build", "ind_tiny", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, env=only_python, capture_output=True, text=True)
    assert len(done.stderr.splitlines()) == 1
    assert "install perl (Debian package perl)" in done.stderr
    assert done.returncode == 2
    assert not (tmp_path / "out").exists()
