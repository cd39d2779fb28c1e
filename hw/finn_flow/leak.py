"""Leaky means in FINN's graph: what is kept and what is added have other scales, which become whole factors before the sum."""

import numpy as np
from onnx import NodeProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from designs.number_format import enclosing


class MoveCommonScalePastAdd(Transformation):
    """Mul(a) and Mul(b) -> Add becomes Mul(a / c) and Mul(b / c) -> Add -> Mul(c), c the largest power of two that leaves whole
    factors: the sum runs over integers."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        for add in model.get_nodes_by_op_type("Add"):
            muls = [model.find_producer(name) for name in add.input]
            factors = [factor for mul in muls if (factor := _factor(model, mul)) is not None]
            if len(factors) < 2 or any(model.is_fork_node(mul) for mul in muls) or len(set(factors)) == 1:
                continue
            common = min(_lowest_bit(factor) for factor in factors)
            if common == 1:
                continue
            for mul, factor in zip(muls, factors, strict=True):
                model.set_initializer(mul.input[1], np.array(factor / common, np.float32))
            _scale_behind(model, add, common)
            return model, True
        return model, False


def _factor(model: ModelWrapper, node: NodeProto | None) -> float | None:
    """The constant that a Mul multiplies by, where `node` is one."""
    if node is None or node.op_type != "Mul":
        return None
    factor = model.get_initializer(node.input[1])
    return None if factor is None or factor.size != 1 else float(factor.reshape(()))


def _lowest_bit(value: float) -> float:
    """The largest power of two of which `value`, not 0, is a whole multiple."""
    numerator, denominator = value.as_integer_ratio()
    return (numerator & -numerator) / denominator


def _scale_behind(model: ModelWrapper, add: NodeProto, scale: float) -> None:
    """add -> rest becomes add -> Mul(scale) -> rest."""
    end, shape = add.output[0], model.get_tensor_shape(add.output[0])
    between, constant = model.make_new_valueinfo_name(), f"{end}_common_scale"
    model.set_tensor_shape(between, shape)
    add.output[0] = between
    model.set_initializer(constant, np.array(scale, np.float32))
    nodes = list(model.graph.node)
    model.graph.node.insert(nodes.index(add) + 1, helper.make_node("Mul", [between, constant], [end]))


def annotate_whole_factors(model: ModelWrapper) -> None:
    """Say of every factor that is a whole number that it is one; streamlining makes new constants without a data type."""
    for mul in model.get_nodes_by_op_type("Mul"):
        factor = _factor(model, mul)
        if factor is not None and factor >= 1 and factor.is_integer():
            model.set_tensor_datatype(mul.input[1], DataType[enclosing(0, int(factor)).unsigned().name])


def without_states_after(model: ModelWrapper) -> ModelWrapper:
    """The graph with the readout as its only output. The states after a token need none: they are what the thresholds of these
    names give, whose scale quant.golden.read_leak has found taken off exactly in front of the outputs."""
    outputs = [value.name for value in model.graph.output][1:]
    for name in outputs:
        model.graph.node.remove(model.find_producer(name))
    del model.graph.output[1:]
    return model


def is_computed(model: ModelWrapper, name: str) -> bool:
    """Whether a graph input is one that is fed, and no parameter of the file."""
    return model.get_initializer(name) is None and any(name in node.input for node in model.graph.node)
