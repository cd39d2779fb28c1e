"""The IND with a learned convolution in place of its wavelets: does it matter that they are given?"""

import torch
from torch import Tensor, nn

from designs.schema import Design
from models.distillation.ind_of_signal import IndOfSignal


class IndConvolutionStudent(IndOfSignal):
    """Each kernel is a mix of the virtual channels and `taps` weights over time, as long as a wavelet: an octave's kernels read
    the signal averaged over 2 ** octave samples. Rectified and averaged over a token they are what a magnitude is to a wavelet.

    As many kernels as the numbers of the IND's embedding pay for, shared out over the octaves.
    """

    def __init__(self, design: Design):
        spec = design.tokenizer.bank
        each = spec.channels + spec.taps + 1
        embedded = spec.features * design.model.embed_dim
        kernels = max(spec.octaves, round(embedded / (each + design.model.embed_dim)))
        super().__init__(design, kernels, kernels * each)
        counts = [kernels // spec.octaves + (octave < kernels % spec.octaves) for octave in range(spec.octaves)]
        self.taps = spec.taps
        self.mixes = nn.ModuleList(nn.Conv1d(spec.channels, count, 1, bias=False) for count in counts)
        self.kernels = nn.ModuleList(nn.Conv1d(count, count, spec.taps, groups=count) for count in counts)

    def tokens_of(self, signal: Tensor) -> Tensor:
        octaves = zip(self.mixes, self.kernels, strict=True)
        return torch.cat([self._octave(signal, 1 << i, *layers) for i, layers in enumerate(octaves)], dim=1)

    def _octave(self, signal: Tensor, unit: int, mix: nn.Module, kernels: nn.Module) -> Tensor:
        """[batch, kernels, tokens]; a kernel looks at its moment and before, and sees zeros before the window."""
        slow = nn.functional.avg_pool1d(nn.functional.pad(signal, (-signal.shape[2] % unit, 0)), unit)
        found = kernels(nn.functional.pad(mix(slow), (self.taps - 1, 0))).relu()
        return nn.functional.adaptive_avg_pool1d(found, self.moments)
