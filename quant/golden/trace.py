"""Every inner stream of the integer decoder, under the names of designs.layer_table.streams."""

import numpy as np

from quant.golden.argmax import argmax
from quant.golden.linear import through
from quant.golden.linear_attention import linear_attention
from quant.golden.mean_pool import mean_pool
from quant.golden.parameters import IntegerParameters
from quant.golden.pool import tokenize
from quant.golden.preprocess import preprocess
from quant.golden.residual import residual
from quant.golden.spatial_filter import spatial_filter
from quant.golden.stream_trace import trace_embedded

Trace = dict[str, np.ndarray]


def trace_samples(samples: np.ndarray, parameters: IntegerParameters) -> Trace:
    """samples [samples, channels] in the sample format, from reset -> every stream of every decision.

    `tokens` and `embed` have one row per token; all others one row per decision, the first after `model.tokens` tokens.
    """
    tokens = tokens_of(samples, parameters)
    embed = through("embed", tokens, parameters)
    if parameters.design.model.streaming:
        every = trace_embedded(embed, parameters)
        deciding = {name: rows[parameters.design.model.tokens - 1 :] for name, rows in every.items()}
        return {"tokens": tokens, "embed": embed} | deciding
    windows = sliding_windows(embed, parameters.design.model.tokens)
    return {"tokens": tokens, "embed": embed} | trace_windows(windows, parameters)


def tokens_of(samples: np.ndarray, parameters: IntegerParameters) -> np.ndarray:
    """samples [samples, channels] as they enter, from reset -> tokens [tokens, features]: preprocessed, mixed, filtered,
    pooled; or, where they are tokens already, themselves."""
    spec = parameters.design.tokenizer
    if spec.ready:
        return np.asarray(samples, np.int64)
    return tokenize(bank_samples(samples, parameters), spec.bank, parameters.token_shift)


def bank_samples(samples: np.ndarray, parameters: IntegerParameters) -> np.ndarray:
    """samples [samples, channels] as they enter, from reset -> [samples, bank channels] as the wavelets see them."""
    spec = parameters.design.tokenizer
    if parameters.preprocess is not None:
        samples = preprocess(samples, parameters.preprocess, spec)
    if parameters.spatial_weight is not None:
        samples = spatial_filter(samples, parameters.spatial_weight, parameters.spatial_shift, spec)
    return samples


def trace_tokens(tokens: np.ndarray, parameters: IntegerParameters) -> Trace:
    """tokens [windows, tokens, features] in the token format -> every stream, one row per window.

    The training side's view: each window brings its own tokens, so `tokens` and `embed` are [windows, tokens, ...] here. Where
    states run on, each window begins at reset, and every stream is [windows, tokens, ...]: there may be any number of tokens.
    """
    embed = through("embed", tokens, parameters)
    if parameters.design.model.streaming:
        windows = [trace_embedded(each, parameters) for each in embed]
        return {"tokens": tokens, "embed": embed} | {name: np.stack([each[name] for each in windows]) for name in windows[0]}
    return {"tokens": tokens, "embed": embed} | trace_windows(embed, parameters)


def sliding_windows(rows: np.ndarray, length: int) -> np.ndarray:
    """[rows, width] -> [rows - length + 1, length, width]: the last `length` rows at every row from the first full window."""
    if len(rows) < length:
        return np.zeros((0, length, rows.shape[1]), rows.dtype)
    return np.swapaxes(np.lib.stride_tricks.sliding_window_view(rows, length, axis=0), 1, 2)


def trace_windows(embed: np.ndarray, parameters: IntegerParameters) -> Trace:
    """embed [windows, tokens, embed_dim] -> the streams from `window` to `decision`, one row per window."""
    design = parameters.design
    stream = design.quant.stream
    found: Trace = {"window": residual(embed, parameters.position, stream)}
    current = found["window"]
    for i, shifts in enumerate(parameters.attention):
        block = f"block{i}_"
        for name in ("query", "key", "value"):
            found[block + name] = through(block + name, current, parameters)
        found[block + "attention"] = linear_attention(
            found[block + "query"], found[block + "key"], found[block + "value"], shifts, design
        )
        found[block + "project"] = through(block + "project", found[block + "attention"], parameters)
        found[block + "attended"] = residual(current, found[block + "project"], stream)
        found[block + "expand"] = through(block + "expand", found[block + "attended"], parameters)
        found[block + "contract"] = through(block + "contract", found[block + "expand"], parameters)
        found[block + "out"] = current = residual(found[block + "attended"], found[block + "contract"], stream)
    if design.model.pool == "mean":
        pooled = found["pool"] = mean_pool(current, parameters.mean_shift, design)
    else:
        pooled = current.reshape(*current.shape[:-2], design.model.pooled_dim)
    found["readout"] = through("readout", pooled, parameters)
    if not design.model.regression:
        found["decision"] = argmax(found["readout"])
    return found
