"""The student takes over the teacher's readout: it learns the embedding, and nothing else (SimKD, Chen et al. 2022)."""

import torch
from torch import Tensor, nn

from models.distillation.embedding_scale import deviations
from models.distillation.method import Method
from models.distillation.student import Student
from models.distillation.teaching import Teaching


class SimKD(Method):
    """``loss = weight * mean |A h + a - z'|^2``, then ``logits = W (scale * (A h + a) + centre) + b``.

    h is the student's embedding, z' the teacher's, standardised by centre and scale; W and b are the teacher's readout. There
    is no task loss: the labels of the calibration trials are not looked at, which is the method's own choice.
    D. Chen, J.-P. Mei, H. Zhang, C. Wang, Y. Feng, C. Chen: Knowledge distillation with the reused teacher classifier, CVPR
    2022. There the projector A is convolutional, with a nonlinearity, and stays in the student. Our reading: A is linear, so
    that it and the teacher's readout fold into the student's own readout and the student keeps its size. At the start about 1;
    alone in the loss, its weight says nothing but how large a step is.
    """

    name = "simkd"
    centre: Tensor
    scale: Tensor

    def __init__(self, student: Student, teaching: Teaching, *, regression: bool, weight: float | None = None):
        super().__init__(student, teaching, regression=regression, weight=weight)
        self.projector = nn.Linear(student.embed_dim, teaching.embed_dim)
        self.register_buffer("centre", teaching.embedding.mean(dim=0))
        self.register_buffer("scale", deviations(teaching.embedding))

    def forward(self, inputs: Tensor) -> Tensor:
        """As the student decides once `finish` has been called, [batch, outputs]."""
        projected = self.projector(self.student.embedding(inputs))
        return self.taught_outputs(projected * self.scale + self.centre)

    def task_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.new_zeros(())

    def term(self, embedding: Tensor, outputs: Tensor, taught: Tensor) -> Tensor:
        return nn.functional.mse_loss(self.projector(embedding), (taught - self.centre) / self.scale)

    @torch.no_grad()
    def finish(self) -> None:
        """Write projector and teacher's readout into the student's readout."""
        scaled = self.taught_weight * self.scale
        self.student.readout.weight.copy_(scaled @ self.projector.weight)
        self.student.readout.bias.copy_(self.taught_outputs(self.centre) + scaled @ self.projector.bias)
