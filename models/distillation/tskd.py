"""Task-specific knowledge distillation: first learn which part of the teacher decides, then teach that part alone.

Step 1 learns a projection P of the teacher's embedding z to the student's width, an auxiliary readout V, c and a decoder D:

    minimise  CE(softmax(W z + b), V P^T z + c)  +  RECONSTRUCTION * mean |D P^T z - z_task|^2 / mean |z_task|^2
              +  RIDGE * (|P|^2 + |D|^2)

W, b are the teacher's readout, z_task is z's part in the row space of W - 1 w^T, w the mean of W's rows: what is common to all
logits decides nothing (a regressor: of W, and squared error instead of CE). Step 2 freezes P and trains the student, h its
embedding:

    loss = task loss + weight * mean |h - P^T (z - centre)|^2

After Xie et al., BrainDistill, arXiv 2601.17625, of which the two steps, the auxiliary classifier and a "ridge-like" second
term are known to us, their exact form is not. Our reading: the second term is the reconstruction above with its ridge, which
also takes out of P whatever the task leaves free, so that little is asked of the student that does not decide; step 1 is
solved by Adam on all windows at once, from random directions; before step 2 all of P is divided by one number so that the
variance of P^T z is 1 on the mean of its dimensions (Projection.of_unit_size), which leaves small what the ridge made small;
and a student that keeps its whole window is aligned by the mean of its tokens (Student.aligned). The term of step 2 starts at 1
and the variance of h, a mean over the student's own dimensions.
"""

import torch
from torch import Tensor, nn

from models.augment import soft_cross_entropy
from models.distillation.embedding_scale import deviations
from models.distillation.method import Method
from models.distillation.projections import Projection
from models.distillation.student import Student
from models.distillation.teaching import Teaching
from models.distillation.tsr import deciding_weight

RECONSTRUCTION = 1.0
RIDGE = 1e-2
STEPS, RATE = 300, 0.02
LEAST_READ = 1e-2


class Tskd(Method):
    """Step 2, on a projection that step 1 (`learned_projection`) found at construction, or on any other (`with_projection`)."""

    name = "tskd"
    weights = (1.0, 3.0)
    projection: Tensor
    centre: Tensor

    def __init__(self, student: Student, teaching: Teaching, *, regression: bool, weight: float | None = None):
        super().__init__(student, teaching, regression=regression, weight=weight)
        found = self.fitted_projection(teaching, student.aligned_dim).of_unit_size(teaching.embedding)
        self.register_buffer("projection", found.matrix.float())
        self.register_buffer("centre", found.centre.float())

    def fitted_projection(self, teaching: Teaching, dim: int) -> Projection:
        return learned_projection(teaching, dim, regression=self.regression)

    def projected(self, taught: Tensor) -> Tensor:
        """The teacher's embedding [batch, taught_dim] -> what the student's should be, [batch, aligned_dim]."""
        return (taught - self.centre) @ self.projection

    def term(self, embedding: Tensor, outputs: Tensor, taught: Tensor) -> Tensor:
        """Over the columns of P that are not zero: the student is free where P has none, not drawn to 0."""
        asked = self.projection.any(dim=0)
        apart = (self.student.aligned(embedding) - self.projected(taught))[:, asked].square()
        return apart.sum() / max(1, apart.numel())


class TskdStarted(Tskd):
    """TSKD whose student begins with the readout that P^T z would need: an addition of ours.

    The least-squares readout of the teacher's logits from P^T z is written into the student's before step 2, so that every step
    towards P^T z is one towards the teacher's decisions. The student's own first readout is lost. Directions of P^T z below
    LEAST_READ of the largest deviation are not read: they hold rounding, which would need a readout without bounds.
    """

    name = "tskd_started"
    weights = (1.0, 3.0)

    def __init__(self, student: Student, teaching: Teaching, *, regression: bool, weight: float | None = None):
        super().__init__(student, teaching, regression=regression, weight=weight)
        projected, wanted = self.projected(teaching.embedding).double(), teaching.logits.double()
        centred, level = projected - projected.mean(dim=0), wanted.mean(dim=0)
        found = torch.linalg.lstsq(centred, wanted - level, rcond=LEAST_READ, driver="gelsd").solution
        moments = student.embed_dim // student.aligned_dim
        with torch.no_grad():
            student.readout.weight.copy_(student.spread_over(found.float().T / moments))
            student.readout.bias.copy_(level - projected.mean(dim=0) @ found)


def with_projection(projection: Projection) -> type[Tskd]:
    """TSKD whose step 1 is left out: the student is aligned with `projection`, of unit size; dim must be its aligned_dim."""

    class Given(Tskd):
        name = "given_projection"

        def fitted_projection(self, teaching: Teaching, dim: int) -> Projection:
            if projection.dim != dim:
                raise ValueError(f"the projection has {projection.dim} dimensions, the student {dim}; fit it for the student")
            return projection

    return Given


def learned_projection(
    teaching: Teaching, dim: int, *, regression: bool, reconstruction: float = RECONSTRUCTION, ridge: float = RIDGE
) -> Projection:
    """Step 1: from windows alone, no labels. Deterministic under torch's seed."""
    centre, scale = teaching.embedding.mean(dim=0), deviations(teaching.embedding)
    z = (teaching.embedding - centre) / scale
    task = task_part(teaching.embedding - centre, deciding_weight(teaching, regression=regression))
    size = task.square().mean().clamp_min(1e-12)
    wanted = teaching.logits if regression else teaching.logits.softmax(dim=1)
    projection = nn.Parameter(torch.randn(teaching.embed_dim, dim) / teaching.embed_dim**0.5)
    readout, decoder = nn.Linear(dim, teaching.outputs), nn.Linear(dim, teaching.embed_dim)
    learned = [projection, *readout.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(learned, RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        projected = z @ projection
        read = readout(projected)
        decided = nn.functional.mse_loss(read, wanted) if regression else soft_cross_entropy(read, wanted)
        rebuilt = nn.functional.mse_loss(decoder(projected), task) / size
        loss = decided + reconstruction * rebuilt + ridge * (projection.square().sum() + decoder.weight.square().sum())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return Projection((projection.detach() / scale[:, None]).double(), centre.double())


def task_part(embedding: Tensor, weight: Tensor) -> Tensor:
    """embedding [windows, dim], readout [outputs, dim] -> the part in the readout's row space, same shape."""
    _, size, right = torch.linalg.svd(weight.double(), full_matrices=False)
    rows = right[size > 1e-9 * size.max().clamp_min(1e-30)]
    return (embedding.double() @ rows.T @ rows).float()
