"""Look-ups in a QONNX file that may be damaged or hostile: every failure is one ParameterError, one line."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from designs.layer_table import parameters
from designs.number_format import IntFormat
from designs.schema import Design
from quant.golden.parameters import ParameterError

GRAPH_BYTES = 4 << 20
"""Room for nodes and names beside the parameters, generously."""
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)


def load(path: Path, design: Design) -> ModelProto:
    """The graph at `path`, no larger than one of `design` can be. Raises ParameterError."""
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


class Graph:
    """Look-ups in one graph by tensor name; every failure is a ParameterError that names file and tensor."""

    def __init__(self, model: ModelProto, file: str):
        self.file = file
        self.producers = {output: node for node in model.graph.node for output in node.output}
        self.initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self.metadata = {entry.key: entry.value for entry in model.metadata_props}

    def refuse(self, reason: str) -> ParameterError:
        return ParameterError(f"{self.file}: {reason}")

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
