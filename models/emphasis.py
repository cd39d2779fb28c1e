"""Which features a decoder listens to first: a gain per feature while it trains, folded into its first layer afterwards.

With a few dozen trials and hundreds of features, a network that hears all of them equally learns the noise. A feature's gain
is how far its class means lie apart in training windows, against their spread within a class, largest 1, times `LOUDEST`;
features below `SLOW_HZ`, where electrodes see eyes and cables move, are turned down besides. Folding the gains
into the embedding gives a decoder of plain standardised tokens: nothing else knows of them.
"""

import torch
from torch import Tensor

from designs.schema import Design
from models.ind import Ind
from models.wavelets import centre_hz
from models.window_tensors import WindowTensors

LOUDEST = 3.0
SLOW_HZ, SLOW_GAIN = 6.0, 0.1


def feature_gains(train: WindowTensors, design: Design) -> Tensor:
    """Training windows, standardised -> float32 [features], 0 to LOUDEST. Looks at nothing but `train`."""
    mean = train.all_tokens().mean(dim=1)
    groups = [mean[train.label == label] for label in torch.unique(train.label)]
    centres = torch.stack([group.mean(dim=0) for group in groups])
    within = torch.stack([group.var(dim=0, correction=0) for group in groups]).mean(dim=0)
    apart = centres.std(dim=0, correction=0) / within.clamp_min(1e-12).sqrt()
    slow = torch.tensor(centre_hz(design.tokenizer), device=apart.device).repeat(design.tokenizer.bank_channels) < SLOW_HZ
    return LOUDEST * apart / apart.max().clamp_min(1e-12) * torch.where(slow, SLOW_GAIN, 1.0)


def with_gains(windows: WindowTensors, gains: Tensor) -> WindowTensors:
    """The same windows with every feature times its gain."""
    return WindowTensors(windows.tokens * gains.to(windows.tokens.device), windows.rows, windows.label)


@torch.no_grad()
def fold_gains(model: Ind, gains: Tensor) -> None:
    """Change `model`, trained on tokens times `gains`, so that it gives the same logits on plain standardised tokens."""
    model.embed.weight.mul_(gains.to(model.embed.weight.device))
