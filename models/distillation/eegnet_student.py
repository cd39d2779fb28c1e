"""braindecode's EEGNet (Lawhern et al. 2018) up to its last layer as a student."""

from torch import Tensor, nn

from designs.schema import Design
from models.baselines.eeg_network import braindecode_model
from models.distillation.student import Student

RATE_HZ = 128
"""About the rate that EEGNet's kernels were drawn for: faster signals are averaged over neighbouring samples down to it."""


class EegNetStudent(Student):
    """Reads the signal; the embedding is its last feature map, [batch, filters * moments].

    The mean of every channel is taken off each window: EEGNet has no filter of its own against drifts.
    """

    reads = "signal"

    def __init__(self, design: Design):
        super().__init__()
        spec = design.tokenizer
        self.stride = max(1, spec.sample_hz // RATE_HZ)
        samples = design.model.tokens * spec.token_samples // self.stride
        outputs = design.model.outputs
        net = braindecode_model("EEGNet", n_chans=spec.channels, n_outputs=outputs, n_times=samples)
        last = next(layer for layer in list(net.modules())[::-1] if isinstance(layer, nn.Conv2d))
        self.filters, moments = last.in_channels, last.kernel_size[1]
        net.final_layer = nn.Flatten()
        self.net, self.samples = net, samples
        self.readout = nn.Linear(self.filters * moments, outputs)

    def embedding(self, inputs: Tensor) -> Tensor:
        signal = inputs.transpose(1, 2)
        signal = signal - signal.mean(dim=2, keepdim=True)
        if self.stride > 1:
            signal = nn.functional.avg_pool1d(signal, self.stride)
        found: Tensor = self.net(signal[:, :, : self.samples])
        return found

    def aligned(self, embedding: Tensor) -> Tensor:
        """The mean of the feature map over time."""
        return embedding.unflatten(1, (self.filters, -1)).mean(dim=2)

    @property
    def aligned_dim(self) -> int:
        return self.filters

    def spread_over(self, weight: Tensor) -> Tensor:
        return weight.repeat_interleave(self.embed_dim // self.filters, dim=1)
