"""What a training batch goes through so that few trials teach much: noise, lost electrodes, bursts, mixed trials."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from designs.schema import Design

BURST = 4.0
"""Height of a burst in standardised tokens. ReLU linear attention is a polynomial of its input: without bursts in training a
single one in use can throw a regressor far off."""


@dataclass(frozen=True)
class Augmentation:
    """noise: standard deviation added to every standardised token; lost: share of electrodes silenced per window;
    gain: log-normal spread of an electrode's gain per window; mixed: Beta parameter of mixup, 0 for none;
    bursts: share of tokens in which all electrodes rise together, by BURST times the size of a normal number."""

    noise: float = 0.3
    lost: float = 0.1
    gain: float = 0.1
    mixed: float = 0.2
    bursts: float = 0.0


def augment(
    tokens: Tensor, targets: Tensor, how: Augmentation, design: Design, draw: torch.Generator, channels: int | None = None
) -> tuple[Tensor, Tensor]:
    """tokens [batch, tokens, features] standardised, targets [batch, outputs] -> the same shapes, changed.

    channels: what the features are of, as many of each; None: of the design's tokens. Everything random comes from `draw`, a
    generator on the CPU.
    """
    batch, channels = len(tokens), channels or design.tokenizer.bank_channels

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw).to(tokens.device)

    changed = tokens + how.noise * normal(*tokens.shape)
    per_electrode = changed.unflatten(2, (channels, -1))
    if how.gain:
        per_electrode = per_electrode + how.gain * normal(batch, 1, channels, 1)
    if how.lost:
        kept = (torch.rand(batch, 1, channels, 1, generator=draw) >= how.lost).to(tokens)
        per_electrode = per_electrode * kept / (1 - how.lost)
    changed = per_electrode.flatten(2)
    if how.bursts:
        hit = torch.rand(batch, tokens.shape[1], 1, generator=draw).to(tokens.device) < how.bursts
        changed = changed + hit * BURST * normal(batch, tokens.shape[1], 1).abs()
    if how.mixed:
        share = torch.distributions.Beta(how.mixed, how.mixed)
        weight = _beta(share, batch, draw).to(tokens)
        other = torch.randperm(batch, generator=draw).to(tokens.device)
        changed = weight[:, None, None] * changed + (1 - weight[:, None, None]) * changed[other]
        targets = weight[:, None] * targets + (1 - weight[:, None]) * targets[other]
    return changed, targets


def _beta(share: torch.distributions.Beta, batch: int, draw: torch.Generator) -> Tensor:
    """[batch] in 1/2 to 1: a window stays mostly itself. Drawn as a power of uniforms, from `draw` alone."""
    concentration = float(share.concentration0)
    ends = torch.rand(2, batch, generator=draw) ** (1 / concentration)  # Johnk: u^(1/a) / (u^(1/a) + v^(1/a)), near the ends
    weight = ends[0] / ends.sum(dim=0).clamp_min(1e-12)
    return torch.maximum(weight, 1 - weight)


def soft_targets(label: Tensor, outputs: int, smoothing: float) -> Tensor:
    """label int64 [batch] -> [batch, outputs]: 1 - smoothing on the label, the rest spread evenly."""
    return functional.one_hot(label, outputs).float() * (1 - smoothing) + smoothing / outputs


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """logits, targets [batch, outputs] -> scalar."""
    return -(targets * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()
