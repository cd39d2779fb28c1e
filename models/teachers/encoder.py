"""A transformer encoder: softmax attention and feed-forward, normalised in front (Vaswani et al. 2017, Xiong et al. 2020)."""

from torch import Tensor, nn
from torch.nn import functional


class EncoderBlock(nn.Module):
    """Attention of `heads` heads, then feed-forward, each added to the stream behind dropout."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_feed_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens [batch, tokens, width] -> same shape."""
        tokens = tokens + self.dropout(self._attend(self.before_attention(tokens)))
        hidden = functional.gelu(self.expand(self.before_feed_forward(tokens)))
        return tokens + self.dropout(self.contract(self.dropout(hidden)))

    def _attend(self, tokens: Tensor) -> Tensor:
        parts = self.query_key_value(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        read = functional.scaled_dot_product_attention(*parts)
        mixed: Tensor = self.mix(read.transpose(1, 2).flatten(2))
        return mixed


class Encoder(nn.Sequential):
    """`layers` blocks and a last normalisation."""

    def __init__(self, width: int, layers: int, heads: int, dropout: float):
        super().__init__(*(EncoderBlock(width, heads, dropout) for _ in range(layers)), nn.LayerNorm(width))
