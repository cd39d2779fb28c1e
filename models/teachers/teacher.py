"""What every teacher is: a network over a window's samples that ends in a linear readout of an embedding."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from models.augment import Augmentation
from models.distillation.teaching import Teaching
from models.standardise import Standardisation
from models.window_tensors import WindowTensors

EMBED_AT_ONCE = 256


class TeacherError(ValueError):
    """A teacher that cannot work on this task or file; one line."""


@dataclass(frozen=True)
class TeacherTask:
    """What a teacher reads and decides: windows of `rows` samples at `sample_hz` from `electrodes`, of a recording of `kind`;
    `outputs` classes, or values where `regression`."""

    rows: int
    electrodes: tuple[str, ...]
    sample_hz: float
    kind: str
    outputs: int
    regression: bool

    @property
    def channels(self) -> int:
        return len(self.electrodes)


@dataclass(frozen=True)
class TeacherTraining:
    """How a teacher is trained: AdamW under one cosine each, for a fixed number of steps, nothing chosen by validation.

    pretrain_steps: of its own task without labels, where it has one; steps: with labels; average: share of the averaged weights
    that a step keeps; flipped: share of labels changed to another class, for teachers that are to be poor
    (models.teachers.quality; values have none); head_only: whether all but the readout stays as it is.
    """

    pretrain_steps: int = 0
    steps: int = 300
    batch: int = 64
    pretrain_rate: float = 1e-3
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    smoothing: float = 0.1
    average: float = 0.98
    flipped: float = 0.0
    head_only: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)


class Teacher(nn.Module, ABC):
    """`readout(embedding(signal))`. signal [batch, samples, channels], standardised; for recordings of counts or features one
    row per token. tasks: what it can learn, of "classes" and "targets"; kinds: of recordings it reads, of "voltage", "counts"
    and "features"; config: the sizes that make it again."""

    name: str
    tasks: ClassVar[tuple[str, ...]]
    kinds: ClassVar[tuple[str, ...]]
    takes_weights: ClassVar[bool] = False
    readout: nn.Linear

    def __init__(self, task: TeacherTask, **config: float):
        super().__init__()
        self.task, self.config = task, config

    @classmethod
    def made(
        cls, name: str, task: TeacherTask, *, spatial: Tensor | None = None, weights: Path | None = None, **sizes: float
    ) -> Self:
        """One called `name`; spatial and weights for those that look at them."""
        try:
            return cls(task, **sizes)  # type: ignore[arg-type]
        except TypeError as error:
            raise TeacherError(f"teacher {name} has no such size ({error}); see its config") from error

    @classmethod
    def training_for(cls, task: TeacherTask) -> TeacherTraining:
        """The recipe it is trained by."""
        return TeacherTraining()

    def prepare(self, offline: WindowTensors, standardisation: Standardisation) -> None:
        """Look at the windows it will learn from, and how they were standardised, before the first step; most need not."""

    def pretraining_loss(self, signal: Tensor, draw: torch.Generator) -> Tensor:
        """A scalar to learn from without labels, where training_for asks for such steps."""
        raise NotImplementedError(f"{self.name} has nothing to learn without labels")

    def start(self, offline: WindowTensors) -> None:
        """Where learning with labels starts, if not where it is; label as the training wants it, possibly flipped."""

    @abstractmethod
    def embedding(self, signal: Tensor) -> Tensor:
        """[batch, embed_dim]."""

    def forward(self, signal: Tensor) -> Tensor:
        """[batch, outputs]."""
        outputs: Tensor = self.readout(self.embedding(signal))
        return outputs

    def teaching(self, embedding: Tensor) -> Teaching:
        """What it says about windows whose embeddings are known."""
        return Teaching(embedding, self.readout.weight.detach(), self.readout.bias.detach())

    @torch.no_grad()
    def teach(self, windows: WindowTensors) -> Teaching:
        """What it says about `windows` of its signal, in their order."""
        self.eval()
        chosen = torch.arange(len(windows)).split(EMBED_AT_ONCE)
        return self.teaching(torch.cat([self.embedding(windows.batch(part)[0]) for part in chosen]))


def check_task(teacher: type[Teacher], name: str, task: TeacherTask) -> None:
    """TeacherError where the teacher cannot learn what the task asks for."""
    wanted = "targets" if task.regression else "classes"
    if wanted not in teacher.tasks:
        raise TeacherError(f"teacher {name} learns {' and '.join(teacher.tasks)}, but the recording has {wanted}; use another")
    if task.kind not in teacher.kinds:
        other = "transformer" if task.kind == "voltage" else "ndt or gru"
        raise TeacherError(
            f"teacher {name} reads {' and '.join(teacher.kinds)}, but the recording holds {task.kind}; use {other}"
        )
