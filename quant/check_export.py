"""Is the exported graph, read back, exactly the decoder that Brevitas trained? Every boundary, every test window."""

from dataclasses import replace

import numpy as np
import torch

from designs.decoding_set import DecodingSet
from quant.golden.exactness import Row, compare, trace_with_states
from quant.golden.parameters import IntegerParameters
from quant.golden.pool import tokenize
from quant.golden.trace import Trace, bank_samples
from quant.integer_windows import CHANNELS_AT_ONCE, compared_ends, compared_tokens, tokens_at
from quant.quant_ind import QuantInd

PAIR = "brevitas = golden"


def brevitas_trace(model: QuantInd, tokens: np.ndarray, batch: int = 256) -> Trace:
    """tokens int [windows, tokens, features] -> Brevitas' integers at every boundary, one row per window; where states run on,
    [windows, tokens, ...], each window from reset."""
    model.eval()
    found: list[dict[str, torch.Tensor]] = []
    with torch.no_grad():
        for start in range(0, len(tokens), batch):
            found.append(model.integer_boundaries(torch.from_numpy(tokens[start : start + batch]).float()))
    return {name: np.concatenate([part[name].numpy() for part in found]) for name in found[0]}


def golden_tokens(found: DecodingSet, parameters: IntegerParameters) -> np.ndarray:
    """The windows of `compared_ends` as the golden model makes them from samples with the shifts of the graph;
    int64 [windows, tokens, features]."""
    ends = compared_ends(found, parameters.design)
    tokens = {stream: _stream_tokens(found.streams[stream].astype(np.int64), parameters) for stream in found.test_streams()}
    return tokens_at(tokens, ends, compared_tokens(found, parameters.design))


def _stream_tokens(samples: np.ndarray, parameters: IntegerParameters) -> np.ndarray:
    """As quant.golden.trace.tokens_of, a few channels at a time."""
    spec = parameters.design.tokenizer
    if spec.ready:
        return samples
    samples = bank_samples(samples, parameters)
    parts = []
    for first in range(0, spec.bank_channels, CHANNELS_AT_ONCE):
        shift = parameters.token_shift[first : first + CHANNELS_AT_ONCE]
        group = replace(spec.bank, channels=len(shift), electrodes=())
        parts.append(tokenize(samples[:, first : first + len(shift)], group, shift))
    return np.concatenate(parts, axis=1)


def check_export(
    model: QuantInd, parameters: IntegerParameters, tokens: np.ndarray, golden: np.ndarray | None = None
) -> tuple[list[Row], Trace, Trace]:
    """(rows of exactness.json, Brevitas' trace, the golden model's trace).

    tokens, golden int [windows, tokens, features]: the windows that Brevitas gets, and the same from `golden_tokens`, or
    None where `tokens` come from no samples. The decision of Brevitas is the argmax that torch takes of its readout.
    """
    expected, traced = trace_with_states(tokens if golden is None else golden, parameters), brevitas_trace(model, tokens)
    return compare(PAIR, expected, traced), traced, expected
