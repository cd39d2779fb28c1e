"""FINN's reference graph on windows, or on sequences token after token: the integers at every boundary, by execute_onnx."""

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

from designs.layer_table import before
from hw.finn_flow.convert import ConvertError, given
from quant.golden.trace import Trace


def boundaries(model: ModelWrapper, tokens: np.ndarray) -> Trace:
    """tokens int [batch, tokens, features] through a converted graph of that batch -> int64 [batch, ...] by boundary.

    Where states run on, it is [batch, tokens, ...]: each sequence begins with all states 0.
    """
    first, *states = given(model)
    if states:
        return _token_after_token(model, tokens, first, states)
    return _executed(model, {first: tokens})


def _token_after_token(model: ModelWrapper, tokens: np.ndarray, first: str, states: list[str]) -> Trace:
    """int64 [batch, tokens, ...] by boundary, every state what the graph gave for the token before, and 0 at first."""
    held = {name: np.zeros([len(tokens), *model.get_tensor_shape(name)[1:]], np.int64) for name in states}
    steps = []
    for token in range(tokens.shape[1]):
        found = _executed(model, {first: tokens[:, token : token + 1]} | held)
        held = {name: found[name.removesuffix(before(""))] for name in states}
        steps.append({name: values if name.endswith("_state") else values[:, 0] for name, values in found.items()})
    return {name: np.stack([step[name] for step in steps], axis=1) for name in steps[0]}


def _executed(model: ModelWrapper, inputs: dict[str, np.ndarray]) -> Trace:
    floats = {name: values.astype(np.float32) for name, values in inputs.items()}
    context = execute_onnx(model, floats, return_full_exec_context=True)
    found = {node.doc_string: context[node.output[0]] for node in model.get_nodes_by_op_type("MultiThreshold")}
    last = model.find_producer(model.graph.output[0].name)
    found["readout"] = context[last.input[0] if last.op_type == "Mul" else last.output[0]]
    return {name: _integers(name, values) for name, values in found.items()}


def _integers(name: str, values: np.ndarray) -> np.ndarray:
    integers = values.astype(np.int64)
    if (integers != values).any():
        raise ConvertError(f"{name}: FINN's graph gives values that are no integers")
    return integers
