"""The implantable neural decoder (IND): tokens -> linear embedding -> linear attention blocks -> mean -> readout.

After Xie et al., arXiv 2601.17625. No layer normalisation and no softmax: everything here has an integer twin.
"""

import torch
from torch import Tensor, nn

from designs.schema import Design, ModelSpec
from models.linear_attention import LinearAttention, leaks


class Block(nn.Module):
    """Attention, then feed-forward, each added to the residual stream."""

    def __init__(self, spec: ModelSpec):
        super().__init__()
        self.attention = LinearAttention(spec)
        self.expand = nn.Linear(spec.embed_dim, spec.hidden_dim)
        self.contract = nn.Linear(spec.hidden_dim, spec.embed_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens [batch, tokens, embed_dim] -> same shape."""
        tokens = tokens + self.attention(tokens)
        return tokens + self.contract(self.expand(tokens).relu())


class Ind(nn.Module):
    """IND from standardised tokens to logits, or to standardised targets; `embedding` gives the vector in front of the readout.

    `spatial` [virtual channels, channels] stands before the tokens (models.window_tensors). A regressor's targets are
    `target_centre` + `target_scale` times its outputs. Neither is trained here.
    """

    spatial: Tensor | None
    position: Tensor | None
    target_centre: Tensor
    target_scale: Tensor

    def __init__(self, design: Design):
        super().__init__()
        spec = design.model
        self.embed = nn.Linear(design.tokenizer.features, spec.embed_dim)
        self.register_parameter("position", None)
        if not spec.streaming:
            self.position = nn.Parameter(torch.zeros(spec.tokens, spec.embed_dim))
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.layers))
        self.readout = nn.Linear(spec.pooled_dim, spec.outputs)
        self.pool, self.regression, self.streaming = spec.pool, spec.regression, spec.streaming
        mixed = (design.tokenizer.bank_channels, design.tokenizer.channels)
        self.register_buffer("spatial", torch.zeros(mixed) if design.tokenizer.spatial else None)
        if spec.regression:
            self.register_buffer("target_centre", torch.zeros(spec.outputs))
            self.register_buffer("target_scale", torch.ones(spec.outputs))
        self.mean_scale = 2.0**-spec.mean_shift

    def embedding(self, tokens: Tensor) -> Tensor:
        """tokens [batch, tokens, features] standardised -> [batch, pooled_dim]; states that run on begin at 0."""
        stream = self.embed(tokens)
        if self.position is not None:
            stream = stream + self.position
        for block in self.blocks:
            stream = block(stream)
        if self.streaming:
            return leaks(tokens.shape[1])[-1].to(stream) @ stream
        return stream.flatten(1) if self.pool == "none" else stream.sum(dim=1) * self.mean_scale

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens [batch, tokens, features] standardised -> logits or standardised targets [batch, outputs]."""
        return self.readout(self.embedding(tokens))
