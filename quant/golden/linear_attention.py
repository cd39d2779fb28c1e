"""ReLU linear attention (docs/blocks/linear_attention.md)."""

import numpy as np

from designs.schema import Design
from quant.golden.leaky_mean import leaky_means
from quant.golden.normaliser import attention_weight, normalised
from quant.golden.parameters import AttentionShifts
from quant.golden.requantize import requantize


def key_value_state(key: np.ndarray, value: np.ndarray, shifts: AttentionShifts, design: Design) -> np.ndarray:
    """key, value int64 [..., tokens, embed_dim] -> state [..., embed_dim (key), embed_dim (value)] in the stream format."""
    return requantize(np.swapaxes(key, -1, -2) @ value, shifts.state, design.quant.stream)


def linear_attention(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, shifts: AttentionShifts, design: Design
) -> np.ndarray:
    """query, key, value int64 [..., tokens, embed_dim] -> int64 [..., tokens, embed_dim] in the stream format.

    query and key are already non-negative (their layers end in a ReLU); every token sees the whole window.
    """
    state = key_value_state(key, value, shifts, design)
    if design.model.normaliser == "none":
        return requantize(query @ state, shifts.out, design.quant.stream)
    return normalised(query @ state, attention_weight(query, key), shifts.numerator, design)


def streaming_attention(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, shifts: AttentionShifts, design: Design
) -> tuple[np.ndarray, np.ndarray]:
    """query, key, value int64 [tokens, embed_dim], the first token after reset first -> (states [tokens, embed_dim (key),
    embed_dim (value)], attention output [tokens, embed_dim]), both in the stream format.

    Each token meets the state that it has just changed.
    """
    stream = design.quant.stream
    states = leaky_means(key[:, :, None] * value[:, None, :], shifts.leak, stream)
    return states, requantize((query[:, None, :] @ states)[:, 0], shifts.out, stream)
