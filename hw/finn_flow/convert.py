"""QONNX -> FINN's dialect, streamlined: integer matrix products, adds and thresholds, every scale moved to the end."""

import warnings
from pathlib import Path

import numpy as np
from finn.transformation.qonnx.convert_qonnx_to_finn import ConvertQONNXtoFINN
from finn.transformation.qonnx.quant_act_to_multithreshold import default_filter_function_generator
from finn.transformation.streamline.absorb import (
    AbsorbAddIntoMultiThreshold,
    AbsorbMulIntoMultiThreshold,
    AbsorbScalarBiasIntoMultiThreshold,
)
from finn.transformation.streamline.collapse_repeated import CollapseRepeatedMul
from finn.transformation.streamline.reorder import (
    MoveMulPastFork,
    MoveMulPastJoinAdd,
    MoveScalarLinearPastInvariants,
    MoveScalarMulPastMatMul,
)
from finn.transformation.streamline.round_thresholds import RoundAndClipThresholds
from onnx import NodeProto
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation
from qonnx.transformation.fold_constants import FoldConstants
from qonnx.transformation.general import ConvertDivToMul, GiveUniqueNodeNames, GiveUniqueParameterTensors
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.transformation.remove import RemoveIdentityOps

from designs.number_format import enclosing
from hw.finn_flow.leak import MoveCommonScalePastAdd, annotate_whole_factors, is_computed, without_states_after

THRESHOLD_BITS_AT_MOST = 8


class ConvertError(ValueError):
    """A graph that FINN does not turn into integers; the message names the node."""


class MoveScalarMulPastConstantAdd(Transformation):
    """Mul(scale) -> Add(constant) becomes Add(constant / scale) -> Mul(scale): positions and the readout's bias as integers."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        for add in model.get_nodes_by_op_type("Add"):
            mul, constant = model.find_producer(add.input[0]), model.get_initializer(add.input[1])
            scale = _scalar_factor(model, mul)
            if scale is None or constant is None or model.is_fork_node(mul):
                continue
            model.set_initializer(add.input[1], (constant / scale).astype(np.float32))
            _swap(model, mul, add)
            return model, True
        return model, False


class MoveScalarMulPastReduceSum(Transformation):
    """Mul(scale) -> ReduceSum becomes ReduceSum -> Mul(scale): the mean's sum runs over integers."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        for total in model.get_nodes_by_op_type("ReduceSum"):
            mul = model.find_producer(total.input[0])
            if _scalar_factor(model, mul) is not None and not model.is_fork_node(mul):
                _swap(model, mul, total)
                return model, True
        return model, False


def _scalar_factor(model: ModelWrapper, node: NodeProto | None) -> float | None:
    if node is None or node.op_type != "Mul":
        return None
    factor = model.get_initializer(node.input[1])
    return None if factor is None or factor.size != 1 else float(factor.reshape(()))


def _swap(model: ModelWrapper, first: NodeProto, second: NodeProto) -> None:
    """first -> second becomes second -> first, tensors between them with the shapes that then hold."""
    between, end = first.output[0], second.output[0]
    shape = model.get_tensor_shape(end)
    second.input[0], second.output[0] = first.input[0], between
    first.input[0], first.output[0] = between, end
    model.set_tensor_shape(between, shape)
    at = list(model.graph.node)
    model.graph.node.remove(first)
    model.graph.node.insert(at.index(second), first)


def convert(qonnx: Path, saved: Path) -> ModelWrapper:
    """Import `qonnx`, streamline it and keep the result at `saved`. Raises ConvertError where a scale stays in the way.

    FINN must have been prepared (hw.finn_flow.settings). The thresholding node of each boundary carries the boundary's name
    as its doc string, whatever the transformations call it.
    """
    model = without_states_after(ModelWrapper(str(qonnx)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in (InferShapes(), GiveUniqueParameterTensors(), FoldConstants(), InferShapes(), GiveUniqueNodeNames()):
            model = model.transform(step)
        boundaries = {node.output[0] for node in model.get_nodes_by_op_type("Quant")}
        model = model.transform(ConvertQONNXtoFINN(default_filter_function_generator(THRESHOLD_BITS_AT_MOST)))
        _name_thresholds(model, boundaries)
        model = model.transform(AbsorbScalarBiasIntoMultiThreshold())
        model = model.transform(ConvertDivToMul())
        model = _streamline(model).transform(InferShapes()).transform(InferDataTypes())
        _annotate_sums(model)
        model = model.transform(RoundAndClipThresholds())
        _annotate_sums(model)  # RoundAndClipThresholds infers data types, and that knows no ReduceSum
    _require_integers(model)
    model.save(str(saved))
    return model


def _streamline(model: ModelWrapper) -> ModelWrapper:
    """FINN's streamlining steps that this kind of graph needs, until none of them finds anything more to do."""
    before = None
    while (now := model.model.SerializeToString(deterministic=True)) != before:
        before = now
        for step in (
            CollapseRepeatedMul(),
            RemoveIdentityOps(),
            MoveMulPastFork(),
            MoveScalarLinearPastInvariants(),
            MoveScalarMulPastMatMul(),
            MoveScalarMulPastConstantAdd(),
            MoveScalarMulPastReduceSum(),
            MoveMulPastJoinAdd(),
            MoveCommonScalePastAdd(),
            CollapseRepeatedMul(),
            AbsorbAddIntoMultiThreshold(),
            AbsorbMulIntoMultiThreshold(),
        ):
            model = model.transform(step)
        annotate_whole_factors(model)
        model = model.transform(InferDataTypes())
    return model


def _name_thresholds(model: ModelWrapper, boundaries: set[str]) -> None:
    """Give every thresholding node the name of the tensor, one of `boundaries`, that its scale and offset end in."""
    for node in model.get_nodes_by_op_type("MultiThreshold"):
        last = node
        while (
            last.output[0] not in boundaries
            and len(successors := model.find_direct_successors(last) or []) == 1
            and _constant_step(model, successors[0])
        ):
            last = successors[0]
        node.doc_string = last.output[0]


def _constant_step(model: ModelWrapper, node: NodeProto) -> bool:
    return node.op_type in ("Add", "Mul") and model.get_initializer(node.input[1]) is not None


def _annotate_sums(model: ModelWrapper) -> None:
    """The data type of a sum over integers, which QONNX does not infer."""
    for node in model.get_nodes_by_op_type("ReduceSum"):
        terms = np.prod(model.get_tensor_shape(node.input[0])) // np.prod(model.get_tensor_shape(node.output[0]))
        of = model.get_tensor_datatype(node.input[0])
        if of.is_integer():
            found = enclosing(int(terms * of.min()), int(terms * of.max()))
            model.set_tensor_datatype(node.output[0], DataType[found.name])


def given(model: ModelWrapper) -> list[str]:
    """Names of the inputs of a converted graph: tokens, and where states run on those before the token."""
    return [value.name for value in model.graph.input if is_computed(model, value.name)]


def set_batch(model: ModelWrapper, batch: int) -> ModelWrapper:
    """A copy of a converted graph that takes `batch` windows at once, or steps of as many sequences: the leading dimension of
    every computed tensor."""
    model = ModelWrapper(model.model, make_deepcopy=True)
    computed = [output for node in model.graph.node for output in node.output]
    for tensor in (*given(model), *computed):
        model.set_tensor_shape(tensor, [batch, *model.get_tensor_shape(tensor)[1:]])
    return model


def _require_integers(model: ModelWrapper) -> None:
    """Between the input and the one Mul at the end, every tensor must be an integer."""
    for node in model.graph.node:
        if node.output[0] == model.graph.output[0].name and node.op_type == "Mul":
            continue
        if not model.get_tensor_datatype(node.output[0]).is_integer():
            raise ConvertError(f"{node.op_type} {node.name}: FINN leaves a scale in front of it; its output is not integer")
