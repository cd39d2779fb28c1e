"""The IND without any front end: tokens are samples, averaged over a few bins of each token."""

from torch import Tensor, nn

from designs.schema import Design
from models.distillation.ind_of_signal import IndOfSignal


class IndSamplesStudent(IndOfSignal):
    """As many bins per channel as make about as many features as the wavelets do: at least one, at most a token's samples."""

    def __init__(self, design: Design):
        spec = design.tokenizer.bank
        bins = min(max(1, round(spec.features / spec.channels)), spec.token_samples)
        super().__init__(design, bins * spec.channels, 0)

    def tokens_of(self, signal: Tensor) -> Tensor:
        bins = self.ind.embed.in_features // signal.shape[1]
        found = nn.functional.adaptive_avg_pool1d(signal, self.moments * bins)
        return found.unflatten(2, (self.moments, bins)).transpose(2, 3).flatten(1, 2)
