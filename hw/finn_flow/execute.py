"""FINN's reference graph on a batch of windows: the integers at every boundary, by execute_onnx."""

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

from hw.finn_flow.convert import ConvertError
from quant.golden.trace import Trace


def boundaries(model: ModelWrapper, tokens: np.ndarray) -> Trace:
    """tokens int [batch, tokens, features] through a converted graph of that batch -> int64 [batch, ...] by boundary."""
    context = execute_onnx(model, {model.graph.input[0].name: tokens.astype(np.float32)}, return_full_exec_context=True)
    found = {node.doc_string: context[node.output[0]] for node in model.get_nodes_by_op_type("MultiThreshold")}
    last = model.find_producer(model.graph.output[0].name)
    found["readout"] = context[last.input[0] if last.op_type == "Mul" else last.output[0]]
    return {name: _integers(name, values) for name, values in found.items()}


def _integers(name: str, values: np.ndarray) -> np.ndarray:
    integers = values.astype(np.int64)
    if (integers != values).any():
        raise ConvertError(f"{name}: FINN's graph gives values that are no integers")
    return integers
