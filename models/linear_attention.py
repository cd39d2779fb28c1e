"""ReLU-kernel linear attention: a window's keys and values meet in one embed_dim x embed_dim state, no softmax."""

import torch
from torch import Tensor, nn

from designs.schema import ModelSpec


class LinearAttention(nn.Module):
    """Single head. ``out_t = q_t (sum_s k_s v_s^T) / normaliser`` with q, k = relu(linear(x)), v = linear(x).

    `normaliser` none: 2 ** mean_shift, a constant. divide: q_t . sum_s k_s. shift: that sum rounded up to a power of two.
    Only `none` has hardware; the other two are for ablation.
    """

    def __init__(self, spec: ModelSpec):
        super().__init__()
        dim = spec.embed_dim
        self.normaliser, self.scale = spec.normaliser, 2.0**-spec.mean_shift
        self.query, self.key, self.value, self.project = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens [batch, tokens, embed_dim] -> same shape."""
        query, key, value = self.query(tokens).relu(), self.key(tokens).relu(), self.value(tokens)
        state = key.transpose(1, 2) @ value * self.scale
        return self.project(query @ state / self._divisor(query, key))

    def _divisor(self, query: Tensor, key: Tensor) -> Tensor | float:
        if self.normaliser == "none":
            return 1.0
        weight = query @ key.sum(dim=1).unsqueeze(-1) * self.scale + 1e-3
        return weight if self.normaliser == "divide" else torch.exp2(torch.log2(weight).ceil())
