"""What the task makes of both embeddings is compared, not the embeddings themselves (TOFD, Zhang et al. 2020)."""

import torch
from torch import Tensor, nn

from models.augment import soft_cross_entropy
from models.distillation.embedding_scale import deviations
from models.distillation.kd import output_distance
from models.distillation.method import Method
from models.distillation.student import Student
from models.distillation.teaching import Teaching, parted

BRANCH_DIM = 32
ORTHOGONALITY = 0.05
STEPS, RATE = 200, 0.01


class Branch(nn.Module):
    """An auxiliary branch behind an embedding: a hidden layer, which is what is compared, and a readout of it."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.hidden, self.readout = nn.Linear(inputs, BRANCH_DIM), nn.Linear(BRANCH_DIM, outputs)

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """[batch, inputs] -> (task-oriented feature [batch, BRANCH_DIM], outputs [batch, outputs])."""
        feature = self.hidden(embedding).relu()
        return feature, self.readout(feature)


class Tofd(Method):
    """``loss = task loss + weight * (branch's task loss + mean |R f(h) - g(z)|^2 + KD(branch, teacher) + beta |R^T R - 1|^2)``.

    f and g are the hidden layers of auxiliary branches behind the student's embedding h and the teacher's z, R resizes one to
    the other, beta is ORTHOGONALITY. L. Zhang, Y. Shi, Z. Shi, K. Ma, C. Bao: Task-oriented feature distillation, NeurIPS 2020:
    there several convolutional branches sit at intermediate layers. Our reading for a student of one embedding: one branch of
    one hidden layer; the teacher's branch is trained first, on the teacher's own decisions, then kept; g(z) has unit variance.
    At the start the sum of four: the task loss once more, about 1, what kd starts at, and next to nothing; 3 to 4 in all.
    """

    name = "tofd"
    weights = (0.3, 0.3)
    centre: Tensor
    scale: Tensor
    feature_centre: Tensor
    feature_scale: Tensor

    def __init__(self, student: Student, teaching: Teaching, *, regression: bool, weight: float | None = None):
        super().__init__(student, teaching, regression=regression, weight=weight)
        self.branch = Branch(student.embed_dim, teaching.outputs)
        self.resize = nn.Linear(BRANCH_DIM, BRANCH_DIM, bias=False)
        self.register_buffer("centre", teaching.embedding.mean(dim=0))
        self.register_buffer("scale", deviations(teaching.embedding))
        self.taught_branch = self._taught_branch(teaching).requires_grad_(False)
        with torch.no_grad():
            feature, _ = self._of_teacher(teaching.embedding)
        self.register_buffer("feature_centre", feature.mean(dim=0))
        self.register_buffer("feature_scale", deviations(feature))

    def _taught_branch(self, teaching: Teaching) -> Branch:
        """Learns the teacher's decisions from its embedding."""
        branch, z = Branch(teaching.embed_dim, teaching.outputs), (teaching.embedding - self.centre) / self.scale
        optimiser = torch.optim.Adam(branch.parameters(), RATE)
        for _ in range(STEPS):
            _, found = branch(z)
            wanted = teaching.logits
            loss = (
                nn.functional.mse_loss(found, wanted) if self.regression else soft_cross_entropy(found, wanted.softmax(dim=1))
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return branch

    def _of_teacher(self, taught: Tensor) -> tuple[Tensor, Tensor]:
        feature, outputs = self.taught_branch((taught - self.centre) / self.scale)
        return feature, outputs

    def loss(self, _model: nn.Module, inputs: Tensor, supervision: Tensor) -> Tensor:
        """As for every method, and the branch learns the task from the targets too."""
        targets, taught = parted(supervision, self.outputs)
        embedding = self.student.embedding(inputs)
        outputs = self.student.readout(embedding)
        return self.task_loss(outputs, targets) + self.weight * (
            self.term(embedding, outputs, taught) + self.task_loss(self.branch(embedding)[1], targets)
        )

    def term(self, embedding: Tensor, outputs: Tensor, taught: Tensor) -> Tensor:
        feature, branched = self.branch(embedding)
        wanted = (self._of_teacher(taught)[0] - self.feature_centre) / self.feature_scale
        apart = nn.functional.mse_loss(self.resize(feature), wanted)
        gram = self.resize.weight.T @ self.resize.weight
        skew = (gram - torch.eye(BRANCH_DIM, device=gram.device)).square().mean()
        decisions = output_distance(branched, self.taught_outputs(taught), regression=self.regression)
        return apart + decisions + ORTHOGONALITY * skew
