"""ReLU-kernel linear attention: keys and values meet in one embed_dim x embed_dim state, no softmax."""

import torch
from torch import Tensor, nn

from designs.schema import LEAK_SHIFT, ModelSpec

SMALLEST_WEIGHT = 2.0**-10
"""A token whose query meets no key has weight 0 and output 0 / SMALLEST_WEIGHT; in integers the smallest weight is 1 unit."""


class LinearAttention(nn.Module):
    """Single head. ``out_t = q_t (sum_s k_s v_s^T) / divisor_t`` with q, k = relu(linear(x)), v = linear(x).

    Hardware exists for the normaliser `none` alone. Where states run on, s ends at t and counts by `leaks`.
    """

    def __init__(self, spec: ModelSpec):
        super().__init__()
        dim = spec.embed_dim
        self.spec, self.scale = spec, 2.0**-spec.mean_shift
        self.query, self.key, self.value, self.project = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens [batch, tokens, embed_dim] -> same shape."""
        query, key, value = self.query(tokens).relu(), self.key(tokens).relu(), self.value(tokens)
        if self.spec.streaming:
            shares = leaks(tokens.shape[1]).to(tokens)
            return self.project((query @ key.transpose(1, 2) * shares) @ value)
        state = key.transpose(1, 2) @ value * self.scale
        return self.project(query @ state / divisor(query, key, self.spec))


def leaks(tokens: int) -> Tensor:
    """[tokens, tokens]: by how much token s, the column, counts in the leaky mean after token t, the row, which was 0 before
    the first: ``mean_t = mean_(t-1) + (new_t - mean_(t-1)) * 2 ** -LEAK_SHIFT``."""
    share = 2.0**-LEAK_SHIFT
    age = torch.arange(tokens)[:, None] - torch.arange(tokens)
    return torch.where(age >= 0, share * (1 - share) ** age.clamp_min(0), 0.0)


def divisor(query: Tensor, key: Tensor, spec: ModelSpec) -> Tensor | float:
    """query, key [batch, tokens, embed_dim], not negative -> what query @ state is divided by, [batch, tokens, 1].

    none: 1, as the state is a mean already (2 ** -mean_shift of the sum). divide: the token's weight q_t . sum_s k_s at the
    same scale, so that its output is a weighted mean of values. shift: that weight rounded up to a power of two; no gradient.
    """
    if spec.normaliser == "none":
        return 1.0
    weight = (query @ key.sum(dim=1).unsqueeze(-1) * 2.0**-spec.mean_shift).clamp_min(SMALLEST_WEIGHT)
    return weight if spec.normaliser == "divide" else rounded_up(weight.detach())


def rounded_up(weight: Tensor) -> Tensor:
    """The smallest power of two that is not below each positive `weight`, exactly."""
    mantissa, exponent = torch.frexp(weight)
    return torch.ldexp(torch.ones_like(weight), exponent - (mantissa == 0.5).int())
