"""QONNX -> IntegerParameters, with onnx and numpy alone. Anything but an exact decoder of the design is refused."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from designs.layer_table import LinearLayer, linear_layers, parameters
from designs.number_format import IntFormat
from designs.schema import Design
from quant.golden.parameters import (
    AttentionShifts,
    IntegerParameters,
    LinearParameters,
    ParameterError,
    PreprocessParameters,
)
from quant.golden.read_normaliser import numerator_shift

GRAPH_BYTES = 4 << 20
"""Room for nodes and names beside the parameters, generously."""
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)


def spec_hash(design: Design) -> str:
    """Digest of everything the integers depend on: tokenizer, model and bit widths, not the hardware.

    A design without preprocessing hashes as it did before there was any.
    """
    values = repr((design.tokenizer, design.model, design.quant)).replace(", preprocess=None", "")
    return hashlib.sha256(values.encode()).hexdigest()


def read_qonnx(path: Path, design: Design) -> IntegerParameters:
    """The decoder's integers from an exported graph. Raises ParameterError, one line, for any other file."""
    graph = _Graph(_load(path, design), path.name)
    graph.check_design(design)
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
        position=graph.integers("position_quantized", design.quant.stream),
        attention=attention,
        mean_shift=_mean_shift(graph, design),
        readout_scale=2.0 ** (graph.exponent(pooled, design.quant.stream) + _weight_exponent(graph, linear_layers(design)[-1])),
    )


def _preprocess(graph: "_Graph") -> PreprocessParameters:
    return PreprocessParameters(graph.table("preprocess_shift", 1), graph.table("preprocess_dead", 1))


def _load(path: Path, design: Design) -> ModelProto:
    limit = GRAPH_BYTES + 16 * parameters(design)
    try:
        if not path.is_file():
            raise ParameterError(f"{path.name}: no such file; export it with python -m quant.train_qat {design.name}")
        if path.stat().st_size > limit:
            raise ParameterError(f"{path.name}: {path.stat().st_size} bytes, more than {limit} of a {design.name} graph")
        model = onnx.load_model_from_string(path.read_bytes())
    except (OSError, DecodeError, ValueError) as error:
        if isinstance(error, ParameterError):
            raise
        reason = " ".join(str(error).split())[:120]
        raise ParameterError(f"{path.name}: not a readable QONNX graph ({reason}); export it again") from error
    if not model.graph.node:
        raise ParameterError(f"{path.name}: not a readable QONNX graph (it has no nodes); export it again")
    if not all(isinstance(text, str) for text in _texts(model)):
        raise ParameterError(f"{path.name}: not a readable QONNX graph (names that are no text); export it again")
    return model


def _texts(model: ModelProto) -> Iterator[str]:
    """Every name that the reader looks at; protobuf gives bytes where a damaged file holds no UTF-8."""
    for node in model.graph.node:
        yield from (node.op_type, *node.input, *node.output, *(attribute.name for attribute in node.attribute))
    yield from (tensor.name for tensor in model.graph.initializer)
    for entry in model.metadata_props:
        yield from (entry.key, entry.value)


class _Graph:
    """Look-ups in one graph by tensor name; every failure is a ParameterError that names file and tensor."""

    def __init__(self, model: ModelProto, file: str):
        self.file = file
        self.producers = {output: node for node in model.graph.node for output in node.output}
        self.initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self.metadata = {entry.key: entry.value for entry in model.metadata_props}

    def refuse(self, reason: str) -> ParameterError:
        return ParameterError(f"{self.file}: {reason}")

    def check_design(self, design: Design) -> None:
        found = self.metadata.get("design")
        if found != design.name:
            raise self.refuse(f"is of design {found!r:.60}, not {design.name}; export it for {design.name}")
        if self.metadata.get("spec_hash") != spec_hash(design):
            raise self.refuse(f"was made from another version of designs/{design.name}.py; train {design.name} again")

    def table(self, name: str, dimensions: int = 2) -> np.ndarray:
        """The table of integers under `name` in the metadata: rows of columns, or with one dimension a list."""
        try:
            found = np.array(json.loads(self.metadata[name]))
            if found.ndim == dimensions and np.issubdtype(found.dtype, np.integer):
                return found
        except (KeyError, ValueError, RecursionError, OverflowError):
            pass
        raise self.refuse(f"{name} in its metadata is missing or no table of integers; export it again")

    def numbers(self, name: str, count: int, otherwise: float) -> np.ndarray:
        """float64 [count] under `name` in the metadata, or `otherwise` where the key is absent."""
        try:
            found = np.array(json.loads(self.metadata.get(name, json.dumps([otherwise] * count))))
            if found.shape == (count,) and found.dtype.kind in "if" and np.isfinite(found).all():
                return found.astype(np.float64)
        except (ValueError, RecursionError, OverflowError):
            pass
        raise self.refuse(f"{name} in its metadata is no list of {count} numbers; export it again")

    def producer(self, tensor: str, *op_types: str) -> NodeProto:
        """The node that makes `tensor`, which must be of one of `op_types`."""
        node = self.producers.get(tensor)
        if node is None:
            raise self.refuse(f"tensor {tensor[:80]} is missing; is it of another design?")
        if node.op_type not in op_types:
            raise self.refuse(f"{tensor[:80]} comes from {node.op_type[:40]} where the decoder has {' or '.join(op_types)}")
        return node

    def array(self, tensor: str) -> np.ndarray:
        """Float64 values of the initializer called `tensor`."""
        found = self.initializers.get(tensor)
        if found is None or found.data_location == TensorProto.EXTERNAL or found.data_type not in FLOATS:
            raise self.refuse(f"{tensor[:80]} is not stored in the file as float values; export it again")
        try:
            values = numpy_helper.to_array(found).astype(np.float64)
        except (ValueError, TypeError, MemoryError) as error:
            raise self.refuse(f"{tensor[:80]} is damaged; export it again") from error
        if not np.isfinite(values).all():
            raise self.refuse(f"{tensor[:80]} holds values that are not finite; export it again")
        return values

    def scalar(self, tensor: str) -> float:
        values = self.array(tensor)
        if values.size != 1:
            raise self.refuse(f"{tensor[:80]} has {values.size} values where one per tensor is supported")
        return float(values.reshape(()))

    def power_of_two(self, tensor: str) -> int:
        value = self.scalar(tensor)
        mantissa, exponent = np.frexp(value)
        if mantissa != 0.5:
            raise self.refuse(f"{tensor[:80]}={value:g} is not a power of two; train with power-of-two scales")
        return int(exponent) - 1

    def quantizer(self, tensor: str, fmt: IntFormat) -> NodeProto:
        """The Quant node behind `tensor`, checked against its format."""
        node = self.producer(tensor, "Quant")
        if len(node.input) != 4:
            raise self.refuse(f"{tensor} has a quantizer of {len(node.input)} inputs where QONNX has 4")
        flags = {attribute.name: attribute.i for attribute in node.attribute}
        bits, zero = self.scalar(node.input[3]), self.scalar(node.input[2])
        if (bits, zero, flags.get("signed"), flags.get("narrow")) != (fmt.bits, 0, int(fmt.signed), 0):
            raise self.refuse(f"{tensor} is not quantized to {fmt}; is it of another design?")
        return node

    def exponent(self, tensor: str, fmt: IntFormat) -> int:
        """log2 of the scale at which `tensor` is quantized to `fmt`."""
        return self.power_of_two(self.quantizer(tensor, fmt).input[1])

    def integers(self, tensor: str, fmt: IntFormat) -> np.ndarray:
        """The integers of a quantized parameter; its stored values must lie on the grid of its scale."""
        node = self.quantizer(tensor, fmt)
        units = self.array(node.input[0]) / 2.0 ** self.power_of_two(node.input[1])
        if units.size and (np.abs(units).max() >= 2**62 or (units != np.round(units)).any()):
            raise self.refuse(f"{tensor} holds values that are no whole multiples of its scale; export it again")
        return units.astype(np.int64)

    def sources(self, node: NodeProto, *expected: str) -> None:
        """The node's inputs must be exactly `expected`, in any order."""
        if sorted(node.input) != sorted(expected):
            found = ", ".join(node.input)[:120]
            raise self.refuse(f"{node.output[0][:80]} is computed from {found} where the decoder has {', '.join(expected)}")


def _source(layer: LinearLayer) -> tuple[str, str]:
    """Boundary at the input of the layer, by name; query, key, value and expand depend on their block."""
    block, _, part = layer.name.rpartition("_")
    if part in ("query", "key", "value"):
        index = int(block.removeprefix("block"))
        return "window" if index == 0 else f"block{index - 1}_out", part
    found = {"project": "attention", "expand": "attended", "contract": "expand"}.get(part)
    return {"embed": "tokens", "readout": "pool"}.get(layer.name) or f"{block}_{found}", part


def _weight_exponent(graph: _Graph, layer: LinearLayer) -> int:
    return graph.exponent(f"{layer.name}_weight_quantized", layer.weight)


def _last_out(design: Design) -> str:
    return f"block{design.model.layers - 1}_out"


def _linear(graph: _Graph, layer: LinearLayer, design: Design) -> LinearParameters:
    source, _ = _source(layer)
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


def _check_product(graph: _Graph, layer: LinearLayer, source: str, weight: str, bias: str) -> None:
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


def _attention(graph: _Graph, block: str, design: Design) -> AttentionShifts:
    stream, activation = design.quant.stream, design.quant.activation
    state, attention = graph.quantizer(block + "state", stream), graph.quantizer(block + "attention", stream)
    product, factor = _scaled(graph, state.input[0])
    outer = graph.producer(product, "MatMul")
    graph.sources(graph.producer(outer.input[0], "Transpose"), block + "key")
    graph.sources(outer, outer.input[0], block + "value")
    state_exponent = graph.exponent(block + "state", stream)
    sum_exponent = graph.exponent(block + "key", activation.unsigned()) + graph.exponent(block + "value", activation)
    state_shift = _shift(graph, block + "state", state_exponent - sum_exponent - factor)
    if design.model.normaliser != "none":
        return AttentionShifts(state_shift, 0, numerator_shift(graph, block, design))
    graph.sources(graph.producer(attention.input[0], "MatMul"), block + "query", block + "state")
    product_exponent = state_exponent + graph.exponent(block + "query", activation.unsigned())
    return AttentionShifts(
        state_shift, _shift(graph, block + "attention", graph.exponent(block + "attention", stream) - product_exponent)
    )


def _mean_shift(graph: _Graph, design: Design) -> int:
    if design.model.pool == "none":
        return 0
    stream, last = design.quant.stream, _last_out(design)
    total, factor = _scaled(graph, graph.quantizer("pool", stream).input[0])
    if graph.producer(total, "ReduceSum").input[0] != last:
        raise graph.refuse(f"pool is not the sum of {last}")
    return _shift(graph, "pool", graph.exponent("pool", stream) - graph.exponent(last, stream) - factor)


def _scaled(graph: _Graph, tensor: str) -> tuple[str, int]:
    """A Mul by a constant power of two: the tensor in front of it and the constant's log2."""
    node = graph.producer(tensor, "Mul")
    return node.input[0], graph.power_of_two(node.input[1])


def _check_residuals(graph: _Graph, design: Design) -> None:
    """The residual stream keeps one scale, and its adds join the right streams."""
    joins = {"window": ("embed", "position_quantized")}
    current = "window"
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


def _shift(graph: _Graph, who: str, shift: int) -> int:
    if not 0 <= shift <= 31:
        raise graph.refuse(f"{who}: its scales give a right shift of {shift}; use 0 to 31")
    return shift
