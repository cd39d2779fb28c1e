"""Decoders whose states run on, over whole streams from reset: what Brevitas and the golden model read out at every token."""

import numpy as np
import torch

from designs.decoding_set import DecodingSet
from quant.golden.linear import through
from quant.golden.parameters import IntegerParameters
from quant.golden.stream_trace import trace_embedded
from quant.golden.trace import Trace
from quant.quant_ind import QuantInd

TOKENS_AT_ONCE = 512


def golden_readouts(streams: dict[int, np.ndarray], parameters: IntegerParameters) -> dict[int, Trace]:
    """streams int64 [tokens, features] by stream -> `readout` [tokens, outputs], and of a classifier `decision` [tokens, 1]."""
    found: dict[int, Trace] = {}
    for number, tokens in streams.items():
        every = trace_embedded(through("embed", tokens, parameters), parameters)
        found[number] = {name: every[name] for name in ("readout", "decision") if name in every}
    return found


@torch.no_grad()
def brevitas_readouts(streams: dict[int, np.ndarray], model: QuantInd) -> dict[int, Trace]:
    """The same from Brevitas, TOKENS_AT_ONCE at a time."""
    model.eval()
    return {number: _readouts(torch.from_numpy(tokens).float().unsqueeze(0), model) for number, tokens in streams.items()}


def _readouts(tokens: torch.Tensor, model: QuantInd) -> Trace:
    """tokens [1, tokens, features] of a stream."""
    before, readout = model.at_reset(1), []
    for part in tokens.split(TOKENS_AT_ONCE, dim=1):
        found, logits = model.boundaries(part, before)
        before = {name: found[name].value.reshape(1, -1, *held.shape[1:])[:, -1] for name, held in before.items()}
        readout.append(model.readout_integers(found, logits)[0])
    integers = torch.cat(readout)
    if model.design.model.regression:
        return {"readout": integers.numpy()}
    return {"readout": integers.numpy(), "decision": integers.argmax(dim=-1, keepdim=True).numpy()}


def at_windows(readouts: dict[int, Trace], found: DecodingSet) -> Trace:
    """The rows of the labelled test windows, in their order."""
    test = found.windows_of("test")
    ends = list(zip(found.window_stream[test].tolist(), found.window_token[test].tolist(), strict=True))
    return {name: np.stack([readouts[stream][name][token] for stream, token in ends]) for name in readouts[ends[0][0]]}
