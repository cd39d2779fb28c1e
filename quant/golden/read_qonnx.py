"""QONNX -> IntegerParameters, with onnx and numpy alone. Anything but an exact decoder of the design is refused."""

import hashlib
from pathlib import Path

import numpy as np

from designs.layer_table import LinearLayer, linear_layers
from designs.schema import Design
from quant.golden.parameters import (
    AttentionShifts,
    IntegerParameters,
    LeakShifts,
    LinearParameters,
    PreprocessParameters,
)
from quant.golden.qonnx_graph import Graph, load
from quant.golden.read_leak import leak_shifts
from quant.golden.read_normaliser import numerator_shift


def spec_hash(design: Design) -> str:
    """Digest of everything the integers depend on: tokenizer, model and bit widths, not the hardware.

    A design without preprocessing, with evenly spaced wavelets or with a window hashes as before there was anything else.
    """
    values = repr((design.tokenizer, design.model, design.quant))
    for unused in (", preprocess=None", ", centres=()", ", attention='window'"):
        values = values.replace(unused, "")
    return hashlib.sha256(values.encode()).hexdigest()


def read_qonnx(path: Path, design: Design) -> IntegerParameters:
    """The decoder's integers from an exported graph. Raises ParameterError, one line, for any other file."""
    graph = Graph(load(path, design), path.name)
    _check_design(graph, design)
    linear = {layer.name: _linear(graph, layer, design) for layer in linear_layers(design)}
    pooled = "pool" if design.model.pool == "mean" else _last_out(design)
    attention = tuple(_attention(graph, f"block{i}_", design) for i in range(design.model.layers))
    _check_residuals(graph, design)
    return IntegerParameters(
        design=design,
        token_shift=graph.table("token_shift"),
        preprocess=_preprocess(graph) if design.tokenizer.preprocess else None,
        spatial_weight=graph.table("spatial_weight") if design.tokenizer.spatial else None,
        spatial_shift=int(graph.numbers("spatial_shift", 1, 0)[0]),
        target_scale=graph.numbers("target_scale", design.model.outputs, 1.0),
        target_centre=graph.numbers("target_centre", design.model.outputs, 0.0),
        linear=linear,
        position=_position(graph, design),
        attention=attention,
        mean_shift=_mean_shift(graph, design),
        pool_leak=_pool_leak(graph, design),
        readout_scale=2.0 ** (graph.exponent(pooled, design.quant.stream) + _weight_exponent(graph, linear_layers(design)[-1])),
    )


def _position(graph: Graph, design: Design) -> np.ndarray:
    if design.model.streaming:
        return np.zeros((0, design.model.embed_dim), np.int64)
    return graph.integers("position_quantized", design.quant.stream)


def _preprocess(graph: Graph) -> PreprocessParameters:
    return PreprocessParameters(graph.table("preprocess_shift", 1), graph.table("preprocess_dead", 1))


def _check_design(graph: Graph, design: Design) -> None:
    found = graph.metadata.get("design")
    if found != design.name:
        raise graph.refuse(f"is of design {found!r:.60}, not {design.name}; export it for {design.name}")
    if graph.metadata.get("spec_hash") != spec_hash(design):
        raise graph.refuse(f"was made from another version of designs/{design.name}.py; train {design.name} again")


def _block_input(index: int, design: Design) -> str:
    """The boundary that block `index` begins with."""
    if index:
        return f"block{index - 1}_out"
    return "embed" if design.model.streaming else "window"


def _source(layer: LinearLayer, design: Design) -> tuple[str, str]:
    """Boundary at the input of the layer, by name; query, key, value and expand depend on their block."""
    block, _, part = layer.name.rpartition("_")
    if part in ("query", "key", "value"):
        index = int(block.removeprefix("block"))
        return _block_input(index, design), part
    found = {"project": "attention", "expand": "attended", "contract": "expand"}.get(part)
    return {"embed": "tokens", "readout": "pool"}.get(layer.name) or f"{block}_{found}", part


def _weight_exponent(graph: Graph, layer: LinearLayer) -> int:
    return graph.exponent(f"{layer.name}_weight_quantized", layer.weight)


def _last_out(design: Design) -> str:
    return f"block{design.model.layers - 1}_out"


def _linear(graph: Graph, layer: LinearLayer, design: Design) -> LinearParameters:
    source, _ = _source(layer, design)
    scaled = source
    if layer.name == "readout" and design.model.pool == "none":
        source, scaled = "flat", _last_out(design)
        flatten = graph.producer(source, "Flatten", "Reshape")
        if flatten.input[0] != scaled:
            raise graph.refuse(f"readout is not computed from all tokens of {scaled}")
    weight, bias = f"{layer.name}_weight_quantized", f"{layer.name}_bias_quantized"
    _check_product(graph, layer, source, weight, bias)
    in_exponent = 0 if source == "tokens" else graph.exponent(scaled, layer.input)
    acc_exponent = in_exponent + _weight_exponent(graph, layer)
    if graph.exponent(bias, layer.bias) != acc_exponent:
        raise graph.refuse(f"{layer.name}: the bias has another scale than the sum it is added to")
    shift = 0
    if layer.out is not None:
        shift = _shift(graph, layer.name, graph.exponent(layer.name, layer.out) - acc_exponent)
    return LinearParameters(graph.integers(weight, layer.weight), graph.integers(bias, layer.bias), shift)


def _check_product(graph: Graph, layer: LinearLayer, source: str, weight: str, bias: str) -> None:
    """The layer must compute weight @ source + bias, then, in an unsigned format, ReLU."""
    behind = "readout"
    if layer.out is not None:
        behind = graph.quantizer(layer.name, layer.out).input[0]
        if not layer.out.signed:
            behind = graph.producer(behind, "Relu").input[0]
    node = graph.producer(behind, "Add", "Gemm")
    if node.op_type == "Gemm":
        graph.sources(node, source, weight, bias)
        return
    product = next((name for name in node.input if name != bias), "")
    graph.sources(node, bias, product)
    matmul = graph.producer(product, "MatMul")
    transposed = graph.producer(matmul.input[1], "Transpose")
    graph.sources(matmul, source, matmul.input[1])
    graph.sources(transposed, weight)


def _attention(graph: Graph, block: str, design: Design) -> AttentionShifts:
    stream, activation = design.quant.stream, design.quant.activation
    state, attention = graph.quantizer(block + "state", stream), graph.quantizer(block + "attention", stream)
    state_exponent = graph.exponent(block + "state", stream)
    sum_exponent = graph.exponent(block + "key", activation.unsigned()) + graph.exponent(block + "value", activation)
    state_shift, leak = 0, LeakShifts()
    if design.model.streaming:
        product = _outer_product(graph, state.input[0], block)
        leak = leak_shifts(graph, block + "state", product, sum_exponent, stream)
    else:
        product, factor = _scaled(graph, state.input[0])
        _check_outer(graph, product, block)
        state_shift = _shift(graph, block + "state", state_exponent - sum_exponent - factor)
    if design.model.normaliser != "none":
        return AttentionShifts(state_shift, 0, numerator_shift(graph, block, design))
    graph.sources(graph.producer(attention.input[0], "MatMul"), block + "query", block + "state")
    product_exponent = state_exponent + graph.exponent(block + "query", activation.unsigned())
    return AttentionShifts(
        state_shift,
        _shift(graph, block + "attention", graph.exponent(block + "attention", stream) - product_exponent),
        leak=leak,
    )


def _outer_product(graph: Graph, total: str, block: str) -> str:
    """The tensor of keys times values that is added, scaled, in `total`."""
    scaled = (graph.producer(part, "Mul").input[0] for part in graph.producer(total, "Add").input)
    found = next((part for part in scaled if part in graph.producers and graph.producers[part].op_type == "MatMul"), "")
    _check_outer(graph, found, block)
    return found


def _check_outer(graph: Graph, product: str, block: str) -> None:
    outer = graph.producer(product, "MatMul")
    graph.sources(graph.producer(outer.input[0], "Transpose"), block + "key")
    graph.sources(outer, outer.input[0], block + "value")


def _pool_leak(graph: Graph, design: Design) -> LeakShifts:
    if not design.model.streaming:
        return LeakShifts()
    stream, last = design.quant.stream, _last_out(design)
    return leak_shifts(graph, "pool", last, graph.exponent(last, stream), stream)


def _mean_shift(graph: Graph, design: Design) -> int:
    if design.model.pool == "none" or design.model.streaming:
        return 0
    stream, last = design.quant.stream, _last_out(design)
    total, factor = _scaled(graph, graph.quantizer("pool", stream).input[0])
    if graph.producer(total, "ReduceSum").input[0] != last:
        raise graph.refuse(f"pool is not the sum of {last}")
    return _shift(graph, "pool", graph.exponent("pool", stream) - graph.exponent(last, stream) - factor)


def _scaled(graph: Graph, tensor: str) -> tuple[str, int]:
    """A Mul by a constant power of two: the tensor in front of it and the constant's log2."""
    node = graph.producer(tensor, "Mul")
    return node.input[0], graph.power_of_two(node.input[1])


def _check_residuals(graph: Graph, design: Design) -> None:
    """The residual stream keeps one scale, and its adds join the right streams."""
    joins = {} if design.model.streaming else {"window": ("embed", "position_quantized")}
    current = _block_input(0, design)
    for i in range(design.model.layers):
        block = f"block{i}_"
        joins[block + "attended"] = (current, block + "project")
        joins[block + "out"] = (block + "attended", block + "contract")
        current = block + "out"
    stream = design.quant.stream
    scale = graph.exponent("embed", stream)
    for name, parts in joins.items():
        graph.sources(graph.producer(graph.quantizer(name, stream).input[0], "Add"), *parts)
        for part in (name, *parts):
            if graph.exponent(part, stream) != scale:
                raise graph.refuse(f"{part} leaves the residual stream's scale 2**{scale}; its adds need one scale")


def _shift(graph: Graph, who: str, shift: int) -> int:
    if not 0 <= shift <= 31:
        raise graph.refuse(f"{who}: its scales give a right shift of {shift}; use 0 to 31")
    return shift
