"""How every network among the baselines is trained: AdamW, one cosine from the full step to nothing, a fixed number of epochs,
or as many as LEAST_STEPS takes where there are few windows.

No early stopping: with a few hundred windows a validation part costs more than it tells, and so every training window trains.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

PREDICT_AT_ONCE = 256
LEAST_STEPS = 150


@dataclass(frozen=True)
class Training:
    """Settings of one training."""

    epochs: int
    learning_rate: float
    batch: int = 32
    weight_decay: float = 0.01


def fit_network(
    make: Callable[[], nn.Module], inputs: Tensor, wanted: Tensor, loss: nn.Module, training: Training, seed: int
) -> nn.Module:
    """A network made and trained under `seed` alone; the caller's random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = make().train()
        batches = -(-len(inputs) // training.batch)
        epochs = max(training.epochs, -(-LEAST_STEPS // batches))
        optimiser = torch.optim.AdamW(net.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * batches)
        for _ in range(epochs):
            for chosen in _batches(len(inputs), training.batch):
                optimiser.zero_grad()
                loss(net(inputs[chosen]), wanted[chosen]).backward()
                nn.utils.clip_grad_norm_(net.parameters(), 5.0)
                optimiser.step()
                schedule.step()
    return net.eval()


def _batches(count: int, size: int) -> list[Tensor]:
    """A shuffled epoch; its last batch, if a single window, joins the one before (batch normalisation needs two)."""
    found = list(torch.randperm(count).split(size))
    if len(found) > 1 and len(found[-1]) == 1:
        found[-2:] = [torch.cat(found[-2:])]
    return found


def outputs_of(net: nn.Module, inputs: Tensor) -> np.ndarray:
    """What `net` says to every input, [windows, outputs]."""
    with torch.inference_mode():
        found = [net.eval()(part) for part in inputs.split(PREDICT_AT_ONCE)]
    return np.asarray(torch.cat(found).numpy()) if found else np.zeros((0, 0), np.float32)


def network_macs(net: nn.Module, one: Tensor) -> int:
    """Multiply-adds of one window [1, ...] in layers of weights and in attention, as PyTorch counts them."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(one)
    return int(counter.get_total_flops() // 2)


def arrays_of(net: nn.Module) -> dict[str, np.ndarray]:
    """The state of `net` under `net.` names."""
    return {f"net.{key}": value.detach().numpy().copy() for key, value in net.state_dict().items()}


def load_arrays(net: nn.Module, arrays: dict[str, np.ndarray]) -> nn.Module:
    """`net` with what `arrays_of` gave."""
    net.load_state_dict({key[4:]: torch.from_numpy(array) for key, array in arrays.items() if key.startswith("net.")})
    return net.eval()
