"""The integer results of a study: a calibrated decoder, quantized with its teacher in the loss, decoded by the golden model."""

from dataclasses import replace

import torch
from torch import Tensor

from designs.layer_table import bank_macs, macs_per_decision, parameters
from designs.schema import Design
from designs.widths import quant_of
from models.distill import lesson_of
from models.distillation.calibration_task import CALIBRATION
from models.distillation.ind_student import IndStudent
from models.study.classroom import Classroom, trained
from models.study.variant import Variant
from models.train import fill_in
from quant.ind_benchmark import integer_outputs, quantize
from quant.integer_windows import integer_windows
from quant.quantized import float_embedding, float_filter

WIDTHS = {"w8a8": (8, 8), "w4a4": (4, 4)}
"""Of weights and of activations inside the blocks."""
UNHEARD = " unheard"
"""Behind a width: the teacher is not in the loss while the decoder is quantized."""


def outputs_of(room: Classroom, variant: Variant) -> tuple[Tensor, int, int]:
    """(readout [test windows, outputs] of the integer golden model, learned numbers, multiply-adds per decision)."""
    task, design = room.task, with_widths(room.design, variant.integers.removesuffix(UNHEARD))
    pupil, method = trained(room, replace(variant, integers=""))
    assert isinstance(pupil, IndStudent)
    ind = pupil.ind
    fill_in(ind, task.spatial, task.targets)
    unheard = variant.method == "none" or variant.integers.endswith(UNHEARD)
    lesson = None if unheard else lesson_of(method, room.teaching(variant)[CALIBRATION])
    windows = integer_windows(task.found, design, float_embedding(ind), spatial=float_filter(ind))
    quantized = quantize(design, ind, windows, room.seed, lesson)
    found = torch.from_numpy(integer_outputs(quantized, ind, windows)).float()
    return found, parameters(design), macs_per_decision(design) + bank_macs(design)


def with_widths(design: Design, name: str) -> Design:
    """The same design, quantized to the widths called `name`."""
    return replace(design, quant=quant_of(*WIDTHS[name]))
