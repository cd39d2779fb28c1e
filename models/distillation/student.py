"""Any network that a teacher can teach: an embedding, and a linear readout of it."""

from typing import ClassVar

from torch import Tensor, nn


class Student(nn.Module):
    """`readout(embedding(inputs))`. inputs [batch, rows, features]: standardised tokens, or where `reads` is "signal" the
    standardised samples of the window, one row per sample."""

    reads: ClassVar[str] = "tokens"
    readout: nn.Linear

    def embedding(self, inputs: Tensor) -> Tensor:
        """[batch, embed_dim]: the vector in front of the readout."""
        raise NotImplementedError

    @property
    def embed_dim(self) -> int:
        return self.readout.in_features

    def forward(self, inputs: Tensor) -> Tensor:
        """[batch, outputs]."""
        outputs: Tensor = self.readout(self.embedding(inputs))
        return outputs
