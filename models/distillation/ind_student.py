"""The implantable neural decoder as a student; what comes out of training is the plain `models.ind.Ind`."""

from torch import Tensor, nn

from designs.schema import Design
from models.distillation.student import Student
from models.ind import Ind


class IndStudent(Student):
    """Reads tokens. `ind` holds all weights, and computes the same function."""

    def __init__(self, design: Design):
        super().__init__()
        self.ind = Ind(design)
        self.tokens = 1 if design.model.pool == "mean" else design.model.tokens

    @property
    def readout(self) -> nn.Linear:  # type: ignore[override]
        return self.ind.readout

    def embedding(self, inputs: Tensor) -> Tensor:
        return self.ind.embedding(inputs)

    def aligned(self, embedding: Tensor) -> Tensor:
        """A regressor that reads out its whole window is aligned by the mean of its tokens."""
        return mean_of_tokens(embedding, self.tokens)

    @property
    def aligned_dim(self) -> int:
        return self.embed_dim // self.tokens


def mean_of_tokens(embedding: Tensor, tokens: int) -> Tensor:
    """[batch, tokens * embed_dim] -> [batch, embed_dim]."""
    return embedding.unflatten(1, (tokens, -1)).mean(dim=1)
