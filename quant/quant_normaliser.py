"""The quotient of a normalised attention in 64-bit floats, whose rounding is proved: twin of quant.golden.normaliser."""

import torch
from torch import Tensor, nn

from designs.layer_table import attention_weight
from designs.schema import Design, DesignError
from quant.golden.exactness import division_beyond_float64


class QuantNormaliser(nn.Module):
    """``query @ state`` over each token's weight, rounded half up to whole units of the attention output.

    Only operations of the standard ONNX domain that are exact here: a weight is rounded up to a power of two by comparing it
    with all of them.
    """

    powers: Tensor

    def __init__(self, design: Design):
        super().__init__()
        if division_beyond_float64(design):
            raise DesignError(
                f"{design.name}: model.normaliser={design.model.normaliser!r} divides by up to {attention_weight(design).bits} "
                f"bits, too many for exact quotients in 64-bit floats; use fewer tokens, a smaller embed_dim or 'none'"
            )
        self.raised, self.rounds_up = 2.0**design.model.mean_shift, design.model.normaliser == "shift"
        powers = 2.0 ** torch.arange(attention_weight(design).bits, dtype=torch.float64)
        self.register_buffer("powers", powers.unsqueeze(-1), persistent=False)

    def forward(self, query: Tensor, key: Tensor, state: Tensor, unit: float, out: float) -> Tensor:
        """query, key [batch, tokens, embed_dim], state [batch, embed_dim, embed_dim], values on their grids -> [batch, tokens,
        embed_dim], float32. unit, out: what one unit of the integer weight and of the attention output is worth.

        In training the quotient stays as it is, so that the quantizer behind sees what rounding loses and can move its range.
        """
        query, keys = query.double(), key.sum(dim=1, keepdim=True).transpose(1, 2).double()
        weight = query @ keys * (1 / unit)
        quotient = query @ state.double() * (self.raised / (unit * out)) / self._divisor(weight)
        if self.training:
            return (quotient * out).float()
        return torch.floor(quotient + 0.5).float() * out

    def _divisor(self, weight: Tensor) -> Tensor:
        """weight: integers from 0 on -> itself, or the next power of two; at least 1, whose numerator is then 0."""
        if self.rounds_up:
            return (weight > self.powers.squeeze(-1)).double() @ self.powers + 1
        return weight.clamp_min(1)
