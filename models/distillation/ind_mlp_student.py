"""The IND with an MLP over the window's tokens in place of attention: does a mix that depends on its input matter?"""

from torch import Tensor, nn

from designs.schema import Design, ModelSpec
from models.distillation.ind_student import IndStudent


class TokenMlp(nn.Module):
    """``out = project(relu(mix(x)))`` along the tokens, each feature alike: the token mixing of MLP-Mixer (Tolstikhin et al.,
    arXiv 2105.01601) with ReLU and without normalisation. Its hidden width gives it as many numbers as attention has."""

    def __init__(self, spec: ModelSpec):
        super().__init__()
        attention = 4 * spec.embed_dim * (spec.embed_dim + 1)
        hidden = max(1, round((attention - spec.tokens) / (2 * spec.tokens + 1)))
        self.mix, self.project = nn.Linear(spec.tokens, hidden), nn.Linear(hidden, spec.tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens [batch, tokens, embed_dim] -> same shape."""
        mixed: Tensor = self.project(self.mix(tokens.transpose(1, 2)).relu())
        return mixed.transpose(1, 2)


class IndMlpStudent(IndStudent):
    """Reads tokens. Its `ind` is none that can be quantized or built."""

    def __init__(self, design: Design):
        super().__init__(design)
        for block in self.ind.blocks:
            block.attention = TokenMlp(design.model)

    @classmethod
    def misfit(cls, design: Design) -> str | None:
        return "mixes a whole window, model.attention='stream' keeps none" if design.model.streaming else None
