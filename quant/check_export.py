"""Is the exported graph, read back, exactly the decoder that Brevitas trained? Every boundary, every test window."""

import numpy as np
import torch

from quant.golden.exactness import compare, trace_with_states
from quant.golden.parameters import IntegerParameters
from quant.golden.trace import Trace
from quant.quant_ind import QuantInd

PAIR = "brevitas = golden"


def brevitas_trace(model: QuantInd, tokens: np.ndarray, batch: int = 256) -> Trace:
    """tokens int [windows, tokens, features] -> Brevitas' integers at every boundary, one row per window."""
    model.eval()
    found: list[dict[str, torch.Tensor]] = []
    with torch.no_grad():
        for start in range(0, len(tokens), batch):
            found.append(model.integer_boundaries(torch.from_numpy(tokens[start : start + batch]).float()))
    return {name: np.concatenate([part[name].numpy() for part in found]) for name in found[0]}


def check_export(model: QuantInd, parameters: IntegerParameters, tokens: np.ndarray) -> tuple[list[dict], Trace, Trace]:
    """(rows of exactness.json, Brevitas' trace, the golden model's trace) of windows [windows, tokens, features]."""
    golden, traced = trace_with_states(tokens, parameters), brevitas_trace(model, tokens)
    return compare(PAIR, golden, traced), traced, golden
