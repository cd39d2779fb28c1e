"""Teachers made worse on purpose, to see what distillation makes of them."""

import copy

import torch
from torch import Tensor

from models.teachers.teacher import Teacher, TeacherError


def with_temperature(teacher: Teacher, temperature: float) -> Teacher:
    """A copy whose logits are divided by `temperature`: the same embeddings and decisions, surer below 1, less sure above."""
    if not 0 < temperature < float("inf"):
        raise TeacherError(f"temperature {temperature} is not a positive number; use one such as 0.25 or 4")
    scaled = copy.deepcopy(teacher)
    with torch.no_grad():
        scaled.readout.weight.div_(temperature)
        scaled.readout.bias.div_(temperature)
    return scaled


def flipped_labels(label: Tensor, outputs: int, share: float, draw: torch.Generator) -> Tensor:
    """label int64 [windows] -> the same, `share` of them (rounded) replaced by another class, each as likely."""
    if not 0 <= share <= 1:
        raise TeacherError(f"share {share} of flipped labels is not within 0 to 1; correct it")
    if share == 0:
        return label
    chosen = torch.randperm(len(label), generator=draw)[: round(share * len(label))]
    moved = torch.randint(1, outputs, (len(chosen),), generator=draw)
    found = label.clone()
    found[chosen] = (label[chosen] + moved) % outputs
    return found
