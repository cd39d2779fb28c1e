"""The integer rows of a benchmark: the IND that a recording gets, quantized, exported and run as the golden model."""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from designs.number_format import INT4, INT8
from designs.schema import Design
from models.distillation.lesson import Lesson
from models.ind import Ind
from models.ind_benchmark import design_for, float_ind, outcome
from models.outcome import Outcome
from models.recording import Recording
from quant.export_qonnx import export_qonnx
from quant.fine_tune import QatSettings, fine_tune
from quant.golden.read_qonnx import read_qonnx
from quant.golden.trace import trace_tokens
from quant.integer_windows import IntegerWindows, integer_windows
from quant.quant_ind import QuantInd
from quant.quantized import calibrated, float_embedding, float_filter, front_end

WIDTHS = {"ind_int8": INT8, "ind_int4": INT4}
"""Row -> bits of the weights and of the activations inside the blocks."""
WINDOWS_AT_ONCE = 512


def check(fold: Recording) -> None:
    """RecordingError where the recording gets no design."""
    design_for(fold)


def evaluate(fold: Recording, model: str, seed: int) -> Outcome:
    """Train, quantize to the width of the row `model`, and decode the fold's test windows with integers alone, once."""
    begin = time.process_time()
    design = design_for(fold, WIDTHS[model], WIDTHS[model])
    trained, found = float_ind(fold, design, seed)
    windows = integer_windows(found, design, float_embedding(trained.model), spatial=float_filter(trained.model))
    quantized = quantize(design, trained.model, windows, seed)
    train_s = time.process_time() - begin
    outputs = integer_outputs(quantized, trained.model, windows)
    return outcome(design, trained, found, outputs, train_s)


def quantize(design: Design, ind: Ind, windows: IntegerWindows, seed: int, lesson: Lesson | None = None) -> QuantInd:
    """Calibrated on training windows, then fine-tuned towards the float decoder, and towards `lesson` where there is one."""
    torch.manual_seed(seed)
    parts, quantized = windows.parts, calibrated(ind, windows, design)
    settings = QatSettings(seed=seed)
    fine_tune(quantized, ind, parts["train"], parts["validation"], windows.standardisation, settings, lesson=lesson)
    return quantized


def integer_outputs(quantized: QuantInd, ind: Ind, windows: IntegerWindows) -> np.ndarray:
    """float64 [test windows, outputs]: the golden model's readout, from the exported graph, in the units of the float one."""
    design, test = quantized.design, windows.parts["test"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{design.name}.qonnx"
        export_qonnx(quantized, front_end(ind, windows), path)
        parameters = read_qonnx(path, design)
    batches = torch.arange(len(test)).split(WINDOWS_AT_ONCE)
    readout = [trace_tokens(test.batch(part)[0].numpy().astype(np.int64), parameters)["readout"] for part in batches]
    return np.concatenate(readout) * parameters.readout_scale
