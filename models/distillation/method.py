"""What every distillation method is: a student in training, a loss, and what is left of it when training ends."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from models.augment import soft_cross_entropy
from models.distillation.student import Student
from models.distillation.teaching import Teaching, parted


class Method(nn.Module, ABC):
    """A student beside whatever its method trains with it (projections, auxiliary readouts).

    It is trained by models.fit like a plain network: `forward` is the student's, `loss` takes rows of
    `models.distillation.teaching.with_targets`. `finish` leaves everything that was learned in the student, whose architecture
    and size no method changes. Deterministic under torch's seed at construction. Terms at weight 1 are not of one size, nor is
    their pull on the embedding: each docstring says what its own starts at.
    """

    name: ClassVar[str]
    weights: ClassVar[tuple[float, float]] = (1.0, 1.0)
    """Of the term, in a classifier and in a regressor: chosen on training parts alone (models/study/weights.toml)."""
    taught_weight: Tensor
    taught_bias: Tensor

    def __init__(self, student: Student, teaching: Teaching, *, regression: bool, weight: float | None = None):
        """teaching: of the windows that projections may be fitted on, before the student trains; weight: of the term that the
        method adds to the task loss, None: the method's own, `weights`."""
        super().__init__()
        self.student, self.regression = student, regression
        self.weight = self.weights[regression] if weight is None else weight
        self.outputs, self.taught_dim = teaching.outputs, teaching.embed_dim
        self.register_buffer("taught_weight", teaching.weight.clone())
        self.register_buffer("taught_bias", teaching.bias.clone())

    def forward(self, inputs: Tensor) -> Tensor:
        """The student's outputs [batch, outputs]."""
        return self.student(inputs)

    def loss(self, _model: nn.Module, inputs: Tensor, supervision: Tensor) -> Tensor:
        """Task loss plus the method's term; the signature is models.fit.Loss."""
        targets, taught = parted(supervision, self.outputs)
        embedding = self.student.embedding(inputs)
        outputs = self.student.readout(embedding)
        return self.task_loss(outputs, targets) + self.weight * self.term(embedding, outputs, taught)

    def task_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy against soft labels, or a regressor's mean squared error."""
        return nn.functional.mse_loss(outputs, targets) if self.regression else soft_cross_entropy(outputs, targets)

    def taught_outputs(self, taught: Tensor) -> Tensor:
        """The teacher's embedding [batch, taught_dim] -> its outputs [batch, outputs]."""
        return taught @ self.taught_weight.T + self.taught_bias

    @abstractmethod
    def term(self, embedding: Tensor, outputs: Tensor, taught: Tensor) -> Tensor:
        """What the method adds. embedding [batch, student.embed_dim], outputs [batch, outputs], taught [batch, taught_dim]."""

    @torch.no_grad()
    def finish(self) -> None:
        """What the method changes in the student once training ends; most change nothing."""
