"""What a teacher says about windows: its embedding and readout, and both beside the label in one matrix for training."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Teaching:
    """A teacher's view of some windows, in the order of the windows.

    embedding float32 [windows, embed_dim] is the vector in front of the readout weight float32 [outputs, embed_dim], bias
    [outputs]; a teacher of any architecture ends in such a readout.
    """

    embedding: Tensor
    weight: Tensor
    bias: Tensor

    @property
    def outputs(self) -> int:
        return len(self.weight)

    @property
    def embed_dim(self) -> int:
        return self.embedding.shape[1]

    @property
    def logits(self) -> Tensor:
        """[windows, outputs]: logits, or a regressor's standardised values."""
        return self.embedding @ self.weight.T + self.bias

    def take(self, chosen: Tensor) -> "Teaching":
        """Of the windows `chosen` alone."""
        return Teaching(self.embedding[chosen], self.weight, self.bias)


def with_targets(targets: Tensor, teaching: Teaching) -> Tensor:
    """targets [windows, outputs] (soft labels, or standardised values) -> [windows, outputs + embed_dim].

    Mixing two windows mixes their rows, so an augmentation that mixes windows mixes what the teacher says about them too.
    """
    return torch.cat([targets, teaching.embedding], dim=1)


def parted(supervision: Tensor, outputs: int) -> tuple[Tensor, Tensor]:
    """Rows of `with_targets` -> (targets [batch, outputs], the teacher's embedding [batch, embed_dim])."""
    return supervision[:, :outputs], supervision[:, outputs:]
