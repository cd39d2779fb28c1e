"""The integer decoder whose states run on, token after token from reset: every stream of designs.layer_table.streams."""

import numpy as np

from quant.golden.argmax import argmax
from quant.golden.leaky_mean import leaky_means
from quant.golden.linear import through
from quant.golden.linear_attention import streaming_attention
from quant.golden.parameters import IntegerParameters
from quant.golden.residual import residual


def trace_embedded(embed: np.ndarray, parameters: IntegerParameters) -> dict[str, np.ndarray]:
    """embed int64 [tokens, embed_dim], the first token after reset first -> the streams from block0_query to `decision`, one
    row per token; KV states [tokens, embed_dim (key), embed_dim (value)]."""
    design = parameters.design
    stream, current = design.quant.stream, embed
    found: dict[str, np.ndarray] = {}
    for i, shifts in enumerate(parameters.attention):
        block = f"block{i}_"
        query, key, value = (through(block + name, current, parameters) for name in ("query", "key", "value"))
        found |= {block + "query": query, block + "key": key, block + "value": value}
        found[block + "state"], found[block + "attention"] = streaming_attention(query, key, value, shifts, design)
        found[block + "project"] = through(block + "project", found[block + "attention"], parameters)
        found[block + "attended"] = residual(current, found[block + "project"], stream)
        found[block + "expand"] = through(block + "expand", found[block + "attended"], parameters)
        found[block + "contract"] = through(block + "contract", found[block + "expand"], parameters)
        found[block + "out"] = current = residual(found[block + "attended"], found[block + "contract"], stream)
    found["pool"] = leaky_means(current, parameters.pool_leak, stream)
    found["readout"] = through("readout", found["pool"], parameters)
    if not design.model.regression:
        found["decision"] = argmax(found["readout"])
    return found
