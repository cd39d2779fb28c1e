"""Any network that a teacher can teach: an embedding, and a linear readout of it."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from designs.schema import Design


class Student(nn.Module, ABC):
    """`readout(embedding(inputs))`. inputs [batch, rows, features]: standardised tokens; where `reads` is "signal" the
    standardised samples of the window, one row per sample; where it is "mixed" these behind the IND's spatial filter."""

    reads: ClassVar[str] = "tokens"
    readout: nn.Linear

    @classmethod
    def misfit(cls, design: Design) -> str | None:
        """Why it cannot decode the windows of `design`, as what follows its name in a sentence; None: it can."""
        return None

    @abstractmethod
    def embedding(self, inputs: Tensor) -> Tensor:
        """[batch, embed_dim]: the vector in front of the readout."""

    @property
    def embed_dim(self) -> int:
        return self.readout.in_features

    def aligned(self, embedding: Tensor) -> Tensor:
        """[batch, embed_dim] -> [batch, aligned_dim]: what TSKD aligns with a projection of the teacher. A student that keeps
        one vector per moment takes their mean, since a projection as wide as all of them would say nothing."""
        return embedding

    @property
    def aligned_dim(self) -> int:
        return self.embed_dim

    def spread_over(self, weight: Tensor) -> Tensor:
        """weight [outputs, aligned_dim] of every moment alike -> [outputs, embed_dim], in the order of `embedding`."""
        return weight.repeat(1, self.embed_dim // self.aligned_dim)

    def forward(self, inputs: Tensor) -> Tensor:
        """[batch, outputs]."""
        outputs: Tensor = self.readout(self.embedding(inputs))
        return outputs
