"""Which tokens of a window are hidden from a network that learns to guess them."""

import torch
from torch import Tensor


def hidden_tokens(batch: int, tokens: int, share: float, run: int, draw: torch.Generator) -> Tensor:
    """bool [batch, tokens]: runs of `run` tokens, about `share` of all, at least one token of every window. Neighbours resemble
    each other, so a longer run is harder to guess."""
    starts = torch.rand(batch, tokens, generator=draw) < share / run
    starts[torch.arange(batch), torch.randint(tokens, (batch,), generator=draw)] = True
    found = starts.clone()
    for step in range(1, run):
        found[:, step:] |= starts[:, : tokens - step]
    return found
