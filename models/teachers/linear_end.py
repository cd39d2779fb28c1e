"""A network of others as embedding and linear readout: what enters its last layer, and that layer as one matrix.

Networks end in a fully connected layer, or in a convolution that sees its whole input, which is the same thing. That layer is
taken out; what would have entered it is the embedding.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Layer = nn.Linear | nn.Conv1d | nn.Conv2d
CLOSE = 1e-4


class Tap(nn.Module):
    """Stands where the last layer was: keeps what enters, and gives zeros of the shape that the layer gave."""

    def __init__(self, shape: torch.Size):
        super().__init__()
        self.shape = shape
        self.entered = torch.zeros(0)

    def forward(self, entering: Tensor) -> Tensor:
        self.entered = entering.flatten(1)
        return entering.new_zeros(len(entering), *self.shape[1:])


def take_end(net: nn.Module, run: Callable[[Tensor], Tensor], example: Tensor, outputs: int) -> tuple[Tap, nn.Linear] | None:
    """(the tap that now ends `net`, its former last layer as a readout); None where `net` does not end in a linear readout.

    run: how the network is called on inputs like `example` [2, ...].
    """
    net.eval()
    calls: list[tuple[str, Layer, Tensor, Tensor]] = []
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output, name=name: calls.append((name, layer, inputs[0], output)))
        for name, layer in net.named_modules()
        if isinstance(layer, Layer) and layer.weight.shape[0] == outputs
    ]
    with torch.no_grad():
        wanted = run(example)
    for hook in hooks:
        hook.remove()
    if not calls:
        return None
    name, layer, entering, left = calls[-1]
    if wanted.shape != (len(example), outputs) or left[0].numel() != outputs:
        return None
    readout = _as_linear(layer, entering)
    found = readout(entering.flatten(1)) if readout else None
    if readout is None or found is None or not torch.allclose(found, wanted, atol=CLOSE, rtol=CLOSE):
        return None
    tap = Tap(left.shape)
    net.set_submodule(name, tap)
    return tap, readout


@torch.no_grad()
def start_readout(readout: nn.Linear) -> None:
    """Read the embedding's first dimensions, one for each output, and nothing else."""
    readout.bias.zero_()
    readout.weight.zero_()
    readout.weight[:, : readout.out_features] = torch.eye(readout.out_features)


@torch.no_grad()
def _as_linear(layer: Layer, entering: Tensor) -> nn.Linear | None:
    weight = layer.weight.flatten(1)
    if weight.shape[1] != entering[0].numel():
        return None
    readout = nn.Linear(weight.shape[1], len(weight))
    readout.weight.copy_(weight)
    readout.bias.copy_(torch.zeros(len(weight)) if layer.bias is None else layer.bias)
    return readout
