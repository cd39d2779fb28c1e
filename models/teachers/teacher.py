"""What every teacher is: a network over a window's samples that ends in a linear readout of an embedding."""

from typing import ClassVar

from torch import Tensor, nn

from models.distillation.teaching import Teaching


class Teacher(nn.Module):
    """`readout(embedding(signal))`. signal [batch, samples, channels], standardised; for recordings of counts or features one
    row per token. tasks: what it can learn, of "classes" and "targets"; kinds: of recordings it reads, of "voltage", "counts"
    and "features"."""

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    kinds: ClassVar[tuple[str, ...]]
    readout: nn.Linear

    def embedding(self, signal: Tensor) -> Tensor:
        """[batch, embed_dim]."""
        raise NotImplementedError

    def forward(self, signal: Tensor) -> Tensor:
        """[batch, outputs]."""
        outputs: Tensor = self.readout(self.embedding(signal))
        return outputs

    def teaching(self, embedding: Tensor) -> Teaching:
        """What it says about windows whose embeddings are known."""
        return Teaching(embedding, self.readout.weight.detach(), self.readout.bias.detach())
