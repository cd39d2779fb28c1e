"""braindecode's EEGNet (Lawhern et al. 2018) up to its last layer as a student."""

from torch import Tensor, nn

from designs.schema import Design
from models.baselines.eeg_network import braindecode_model
from models.distillation.student import Student

RATE_HZ = 128
"""About the rate that EEGNet's kernels were drawn for: faster signals are averaged over neighbouring samples down to it."""
FEWEST_SAMPLES = 27
"""With fewer nothing is left behind its pools of 4 and 8, each of which reads a convolution that adds one sample."""


class EegNetStudent(Student):
    """Reads the signal; the embedding is its last feature map, [batch, filters * moments].

    The mean of every channel is taken off each window: EEGNet has no filter of its own against drifts.
    """

    reads = "signal"

    def __init__(self, design: Design):
        super().__init__()
        spec, outputs = design.tokenizer, design.model.outputs
        self.stride, samples = stride_of(design), samples_of(design)
        net = braindecode_model("EEGNet", n_chans=spec.channels, n_outputs=outputs, n_times=samples)
        last = next(layer for layer in list(net.modules())[::-1] if isinstance(layer, nn.Conv2d))
        self.filters, moments = last.in_channels, last.kernel_size[1]
        net.final_layer = nn.Flatten()
        self.net, self.samples = net, samples
        self.readout = nn.Linear(self.filters * moments, outputs)

    @classmethod
    def misfit(cls, design: Design) -> str | None:
        if samples_of(design) >= FEWEST_SAMPLES:
            return None
        rate = f" at {design.tokenizer.sample_hz / stride_of(design):g} Hz" if stride_of(design) > 1 else ""
        return f"needs {FEWEST_SAMPLES} samples, the window has {samples_of(design)}{rate}"

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


def stride_of(design: Design) -> int:
    """Samples that are averaged into one."""
    return max(1, design.tokenizer.sample_hz // RATE_HZ)


def samples_of(design: Design) -> int:
    """Of a window, once averaged."""
    return design.model.tokens * design.tokenizer.token_samples // stride_of(design)
