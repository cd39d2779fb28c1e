"""The integer rows of a benchmark: the IND that a recording gets, quantized, exported and run as the golden model."""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from designs.number_format import INT4, INT8
from designs.schema import Design
from models.ind_benchmark import design_for, float_ind, outcome
from models.outcome import Outcome
from models.recording import Recording
from models.train import Trained
from quant.calibrate import calibrate, from_float
from quant.export_qonnx import FrontEnd, export_qonnx
from quant.fine_tune import QatSettings, fine_tune
from quant.golden.read_qonnx import read_qonnx
from quant.golden.trace import trace_tokens
from quant.integer_windows import IntegerWindows, integer_windows
from quant.quant_ind import QuantInd

WIDTHS = {"ind_int8": INT8, "ind_int4": INT4}
"""Row -> bits of the weights and of the activations inside the blocks."""
CALIBRATION_WINDOWS = 256
WINDOWS_AT_ONCE = 512


def evaluate(fold: Recording, model: str, seed: int) -> Outcome:
    """Train, quantize to the width of the row `model`, and decode the fold's test windows with integers alone, once."""
    begin = time.process_time()
    design = design_for(fold, WIDTHS[model], WIDTHS[model])
    trained, found = float_ind(fold, design, seed)
    spatial = None if trained.model.spatial is None else trained.model.spatial.numpy()
    embed = trained.model.embed.weight.detach().numpy().astype(np.float64)
    windows = integer_windows(found, design, embed, spatial=spatial)
    quantized = quantize(design, trained, windows, seed)
    train_s = time.process_time() - begin
    outputs = integer_outputs(quantized, trained, windows)
    return outcome(design, trained, found, outputs, train_s)


def quantize(design: Design, trained: Trained, windows: IntegerWindows, seed: int) -> QuantInd:
    """Calibrated on training windows, then fine-tuned towards the float decoder."""
    parts, standardisation = windows.parts, windows.standardisation
    torch.manual_seed(seed)
    quantized = from_float(trained.model, standardisation.centre, standardisation.scale, design)
    train = parts["train"]
    chosen = torch.linspace(0, len(train) - 1, min(CALIBRATION_WINDOWS, len(train))).long()
    calibrate(quantized, train.batch(chosen)[0])
    fine_tune(quantized, trained.model, train, parts["validation"], standardisation, QatSettings(seed=seed))
    return quantized


def integer_outputs(quantized: QuantInd, trained: Trained, windows: IntegerWindows) -> np.ndarray:
    """float64 [test windows, outputs]: the golden model's readout, from the exported graph, in the units of the float one."""
    design, test = quantized.design, windows.parts["test"]
    front = FrontEnd(windows.token_shift, windows.spatial_weight, windows.spatial_shift, *target_units(trained))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{design.name}.qonnx"
        export_qonnx(quantized, front, path)
        parameters = read_qonnx(path, design)
    batches = torch.arange(len(test)).split(WINDOWS_AT_ONCE)
    readout = [trace_tokens(test.batch(part)[0].numpy().astype(np.int64), parameters)["readout"] for part in batches]
    return np.concatenate(readout) * parameters.readout_scale


def target_units(trained: Trained) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(scale, centre) of a regressor's targets; None for a classifier."""
    model = trained.model
    return (model.target_scale.numpy(), model.target_centre.numpy()) if model.regression else (None, None)
