"""The quotient of a normalised attention in an exported graph: every node of it checked, and the left shift that it holds."""

import numpy as np
from onnx import NodeProto, TensorProto, numpy_helper

from designs.layer_table import attention_weight
from designs.schema import Design
from quant.golden.qonnx_graph import Graph


def numerator_shift(graph: Graph, block: str, design: Design) -> int:
    """log2 of what query @ state, in integers, is multiplied by in front of the division.

    The graph must compute, in 64-bit floats, ``floor(numerator * 2**shift / divisor + 1/2)`` in units of the attention output.
    """
    unsigned, stream = design.quant.activation.unsigned(), design.quant.stream
    query, key, state = graph.exponent(block + "query", unsigned), graph.exponent(block + "key", unsigned), block + "state"
    whole, unit = _scaled(graph, graph.quantizer(block + "attention", stream).input[0])
    if unit != graph.exponent(block + "attention", stream):
        raise graph.refuse(f"{block}attention is rounded to other units than its quantizer's; export it again")
    rounded = _inputs(graph, _cast(graph, whole, TensorProto.FLOAT), 1, "Floor")[0]
    quotient, half = _inputs(graph, rounded, 2, "Add")
    numerator, divisor = _inputs(graph, quotient, 2, "Div")
    _require(graph, graph.scalar(half) == 0.5, f"{block}attention is not rounded half up")
    product, factor = _scaled(graph, numerator)
    _check_product(graph, product, block + "query", state)
    weight = _weight_behind(graph, divisor, block, design)
    product, to_integers = _scaled(graph, weight)
    _check_weight(graph, product, block)
    _require(graph, to_integers == -(query + key), f"{block}attention divides by a weight that is not counted in whole units")
    shift = factor + query + graph.exponent(state, stream)
    _require(graph, 0 <= shift <= 31, f"{block}attention: its scales give numerators a left shift of {shift}; use 0 to 31")
    return shift


def _weight_behind(graph: Graph, divisor: str, block: str, design: Design) -> str:
    """The tensor of weights whose divisor this is: at least 1, and rounded up to a power of two where the design says so."""
    who = f"{block}attention divides by something else than the weight"
    if design.model.normaliser == "divide":
        weight, least, most = _inputs(graph, divisor, 3, "Clip")
        _require(graph, graph.scalar(least) == 1 and not most, f"{who}, at least 1")
        return weight
    total, one = _inputs(graph, divisor, 2, "Add")
    above, powers = _inputs(graph, total, 2, "MatMul")
    weight, table = _inputs(graph, _cast(graph, above, TensorProto.DOUBLE), 2, "Greater")
    expected = 2.0 ** np.arange(attention_weight(design).bits)
    tables = (graph.array(table), graph.array(powers))
    exact = all(np.array_equal(found.reshape(-1), expected) for found in tables) and tables[0].ndim == 1
    _require(graph, graph.scalar(one) == 1 and exact and tables[1].shape[-1:] == (1,), f"{who}, rounded up to a power of two")
    return weight


def _check_weight(graph: Graph, product: str, block: str) -> None:
    """`product` must be query . sum of the window's keys, for each token."""
    query, keys = _inputs(graph, product, 2, "MatMul")
    _require_tensor(graph, _cast(graph, query, TensorProto.DOUBLE), block + "query", product)
    transposed = _cast(graph, keys, TensorProto.DOUBLE)
    total = _inputs(graph, transposed, 1, "Transpose")[0]
    key, axes = _inputs(graph, total, 2, "ReduceSum")
    _require_tensor(graph, key, block + "key", total)
    kept, turned = _attributes(graph.producers[total]), _attributes(graph.producers[transposed])
    as_expected = _axes(graph, axes) == [1] and kept.get("keepdims", 1) == 1 and turned.get("perm") == [0, 2, 1]
    _require(graph, as_expected, f"{block}attention does not sum its keys over the window's tokens")


def _check_product(graph: Graph, product: str, *boundaries: str) -> None:
    for found, boundary in zip(_inputs(graph, product, 2, "MatMul"), boundaries, strict=True):
        _require_tensor(graph, _cast(graph, found, TensorProto.DOUBLE), boundary, product)


def _scaled(graph: Graph, tensor: str) -> tuple[str, int]:
    """A Mul by a constant power of two: the tensor in front of it and the constant's log2."""
    source, factor = _inputs(graph, tensor, 2, "Mul")
    return source, graph.power_of_two(factor)


def _cast(graph: Graph, tensor: str, to: int) -> str:
    """The tensor in front of a Cast to the type `to`."""
    source = _inputs(graph, tensor, 1, "Cast")[0]
    wanted = TensorProto.DataType.Name(to)
    _require(graph, _attributes(graph.producers[tensor]).get("to") == to, f"{tensor[:80]} is not cast to {wanted}")
    return source


def _inputs(graph: Graph, tensor: str, count: int, op_type: str) -> list[str]:
    """Inputs of the node that makes `tensor`, which is of `op_type` and has `count` of them."""
    found = list(graph.producer(tensor, op_type).input)
    _require(graph, len(found) == count, f"{tensor[:80]} comes from {op_type} of {len(found)} inputs instead of {count}")
    return found


def _attributes(node: NodeProto) -> dict[str, int | list[int]]:
    return {attribute.name: list(attribute.ints) or attribute.i for attribute in node.attribute}


def _axes(graph: Graph, tensor: str) -> list[int]:
    found = graph.initializers.get(tensor)
    if found is None or found.data_location == TensorProto.EXTERNAL or found.data_type != TensorProto.INT64:
        raise graph.refuse(f"{tensor[:80]} is no list of axes in the file; export it again")
    try:
        return numpy_helper.to_array(found).reshape(-1).tolist()
    except (ValueError, TypeError, MemoryError) as error:
        raise graph.refuse(f"{tensor[:80]} is damaged; export it again") from error


def _require_tensor(graph: Graph, found: str, expected: str, at: str) -> None:
    _require(graph, found == expected, f"{at[:80]} is computed from {found[:80]} where the decoder has {expected}")


def _require(graph: Graph, ok: bool, reason: str) -> None:
    if not ok:
        raise graph.refuse(reason)
