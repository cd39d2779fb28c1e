"""An IND without its wavelets: something else makes tokens of the window's signal, behind which everything is the IND's."""

from abc import abstractmethod
from dataclasses import replace

from torch import Tensor, nn

from designs.schema import Design
from models.distillation.ind_student import IndStudent


class IndOfSignal(IndStudent):
    """Reads the signal behind the spatial filter that the wavelets stand behind. A subclass makes tokens of it, in `tokens_of`,
    and says how many features they have and how many learned numbers that takes.

    The tokens are standardised by running statistics, where the IND's are by those of the calibration windows. The mean of
    every channel is taken off each window, as EEGNet's student does. Nothing before the window is seen, wavelets do.
    The hidden width of the blocks makes up for what front end and embedding learn more or less than the IND's embedding.
    """

    reads = "mixed"

    def __init__(self, design: Design, features: int, front_parameters: int):
        more_embedded = (features - design.tokenizer.features) * design.model.embed_dim
        super().__init__(with_less_hidden(design, front_parameters + more_embedded))
        self.ind.embed = nn.Linear(features, design.model.embed_dim)
        self.standardise = nn.BatchNorm1d(features, affine=False)
        self.moments = design.model.tokens

    @classmethod
    def misfit(cls, design: Design) -> str | None:
        if design.tokenizer.ready:
            return f"makes tokens of a voltage, {design.tokenizer.signal} come as tokens"
        return "sees a whole window, model.attention='stream' keeps none" if design.model.streaming else None

    @abstractmethod
    def tokens_of(self, signal: Tensor) -> Tensor:
        """signal [batch, channels, samples] without its mean -> [batch, features, tokens]."""

    def embedding(self, inputs: Tensor) -> Tensor:
        signal = inputs.transpose(1, 2)
        tokens: Tensor = self.standardise(self.tokens_of(signal - signal.mean(dim=2, keepdim=True)))
        return self.ind.embedding(tokens.transpose(1, 2))


def with_less_hidden(design: Design, numbers: int) -> Design:
    """`design` behind its spatial filter, its blocks' hidden width less by what comes closest to `numbers` learned numbers."""
    spec = design.model
    per_unit = spec.layers * (2 * spec.embed_dim + 1)
    hidden = max(1, spec.hidden_dim - round(numbers / per_unit))
    return replace(design, tokenizer=design.tokenizer.bank, model=replace(spec, hidden_dim=hidden))
