"""Designs with the parts that no other test builds: from a recording to RTL, the same integers everywhere."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.progress import Progress

from designs.decoding_set import DecodingSet
from designs.number_format import INT4, INT8
from designs.schema import Design, PreprocessSpec, QuantSpec
from hw.finn_flow import reference
from hw.finn_flow.stitch import emit_finn
from hw.plan.folding import fold
from hw.plan.memory import load_frames
from hw.rtl.emit import emit
from models.checkpoint import save_checkpoint
from models.fit import FitSettings
from models.ind_benchmark import design_for
from models.recording import Recording
from models.train import CHECKPOINT, DECODING_SET, train_ind
from models.windows import decoding_set
from quant import train_qat
from quant.fine_tune import QatSettings
from quant.golden.exactness import read_rows
from quant.golden.read_qonnx import read_qonnx
from quant.golden.regression import decoded_values
from rtl_sim.harness import simulate

sys.path.append(str(Path(__file__).resolve().parents[1] / "models"))
from made_recordings import counts, rhythms

pytestmark = [pytest.mark.verilator, pytest.mark.train, pytest.mark.finn]


def small(recording: Recording, backend: str, **tokenizer: object) -> Design:
    """The design that the recording gets, as narrow as it goes."""
    design = design_for(recording, INT4, INT8)
    regression = design.model.regression
    model = replace(design.model, tokens=4, embed_dim=8, hidden_dim=8, layers=1, pool="none" if regression else "mean")
    return replace(
        design,
        tokenizer=replace(design.tokenizer, **tokenizer),
        model=model,
        quant=QuantSpec(INT4, INT8, INT8),
        hardware=replace(design.hardware, backend=backend, stage_cycles=4000, clock_khz=2000),
    )


KINDS = {
    "counts": (counts(), small(counts(), "engine")),
    "counts_pipeline": (counts(), small(counts(), "amaranth")),
    "counts_finn": (counts(), small(counts(), "finn")),
    "features": (counts(kind="features"), small(counts(kind="features"), "engine")),
    "mixed": (rhythms(), small(rhythms(), "engine")),
    "mixed_pipeline": (rhythms(), small(rhythms(), "amaranth")),
    "mixed_and_preprocessed": (rhythms(), small(rhythms(), "engine", preprocess=PreprocessSpec(5, 320))),
}


@pytest.fixture(scope="module", params=list(KINDS))
def quantized(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Design, Path, Path]:
    """(design, folder of the trained decoder, folder of the quantized one)."""
    recording, design = KINDS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    train, out = folder / "train", folder / "quantize"
    train.mkdir()
    found = decoding_set(recording, design)
    found.save(train / DECODING_SET)
    trained = train_ind(design, found, FitSettings(epochs=2))
    save_checkpoint(train / CHECKPOINT, design, trained.model, trained.standardisation)
    with Progress(disable=True) as progress:
        train_qat.run(design, train, out, QatSettings(epochs=1), progress)
    return design, train, out


def test_finns_graph_gives_the_integers_of_brevitas_and_the_golden_model(quantized, tmp_path) -> None:
    design, _, out = quantized
    qonnx, trace = out / f"{design.name}.qonnx", out / train_qat.TRACE
    rows = reference.run(design, qonnx, trace, tmp_path, None, Console(stderr=True, quiet=True))
    assert {row.pair for row in rows} == {"brevitas = golden", "finn = golden", "finn = brevitas"}
    assert "readout" in {row.boundary for row in rows}
    assert sum(row.mismatches for row in rows) == 0 and min(row.windows for row in rows) > 40
    assert sum(row.mismatches for row in read_rows(out / train_qat.EXACTNESS)) == 0


def test_the_rtl_gives_the_integers_of_the_golden_model_on_the_test_streams(quantized, tmp_path) -> None:
    design, train, out = quantized
    parameters, found = read_qonnx(out / f"{design.name}.qonnx", design), DecodingSet.load(train / DECODING_SET)
    emitted = (emit_finn if design.hardware.backend == "finn" else emit)(design, parameters, tmp_path / "rtl", preloaded=False)
    files = [path for path in emitted if path.suffix != ".il"]
    tested = [found.streams[index][: 60 * design.tokenizer.token_samples] for index in found.test_streams()]
    load = load_frames(parameters, fold(design))
    result = simulate(files, design, parameters, tested, tmp_path / "model", load=load)
    assert result.passed and result.windows > 20


def test_the_trace_holds_what_was_decoded_in_the_units_of_the_targets(quantized) -> None:
    design, train, out = quantized
    parameters, found = read_qonnx(out / f"{design.name}.qonnx", design), DecodingSet.load(train / DECODING_SET)
    with np.load(out / train_qat.TRACE, allow_pickle=False) as trace:
        wanted, decoded, readout = trace["test_label"], trace["test_decoded"], trace["readout"].astype(np.int64)
    test = found.windows_of("test")
    assert np.array_equal(wanted, found.window_target[test] if found.regression else found.window_label[test])
    values = decoded_values(readout, parameters) if found.regression else readout.argmax(axis=1)
    assert np.array_equal(decoded, values[: len(test)])
