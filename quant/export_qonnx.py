"""QuantInd -> QONNX: one graph for one window, every tensor that carries a boundary named as in designs.layer_table.

Where states run on, the graph is one step instead: a token and the states before it in, readout and the states after it out,
the states as integers.
"""

import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from brevitas.export import export_qonnx as trace_qonnx
from onnx import ModelProto, NodeProto, numpy_helper
from torch import nn

from designs.layer_table import after, before, linear_layers, state_names, tokens_at_once
from designs.schema import Design
from quant.golden.parameters import PreprocessParameters
from quant.golden.read_qonnx import spec_hash
from quant.quant_ind import QuantInd

INPUT, OUTPUT = "tokens", "readout"


class StreamStep(nn.Module):
    """One token through a decoder whose states run on: integers in and out, but for the readout."""

    def __init__(self, model: QuantInd):
        super().__init__()
        self.model, self.names = model, state_names(model.design)

    def forward(self, tokens: torch.Tensor, *before: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """tokens [1, 1, features], states in the order of `state_names` -> (readout [1, 1, outputs], states after it)."""
        units = [2.0 ** self.model.exponent(name) for name in self.names]
        found, readout = self.model.boundaries(
            tokens, {name: held * unit for name, held, unit in zip(self.names, before, units, strict=True)}
        )
        return readout, *(found[name].value * (1 / unit) for name, unit in zip(self.names, units, strict=True))


@dataclass(frozen=True)
class FrontEnd:
    """What no node of the graph says: the integers before the tokens, and what a regressor's readout is worth."""

    token_shift: np.ndarray
    """[bank channels, wavelets]."""
    spatial_weight: np.ndarray | None = None
    """[virtual channels, channels]."""
    spatial_shift: int = 0
    target_scale: np.ndarray | None = None
    target_centre: np.ndarray | None = None
    """[outputs] each, of a regressor (quant.golden.regression)."""
    preprocess: PreprocessParameters | None = None

    def metadata(self) -> dict[str, str]:
        """JSON by the names that quant.golden.read_qonnx looks for."""
        found = {"token_shift": json.dumps(self.token_shift.tolist())}
        if self.preprocess is not None:
            found["preprocess_shift"] = json.dumps(self.preprocess.shift.tolist())
            found["preprocess_dead"] = json.dumps(self.preprocess.dead.tolist())
        if self.spatial_weight is not None:
            found["spatial_weight"] = json.dumps(self.spatial_weight.tolist())
            found["spatial_shift"] = json.dumps([self.spatial_shift])
        if self.target_scale is not None and self.target_centre is not None:
            found["target_scale"] = json.dumps(self.target_scale.tolist())
            found["target_centre"] = json.dumps(self.target_centre.tolist())
        return found


def export_qonnx(model: QuantInd, front: np.ndarray | FrontEnd, path: Path) -> None:
    """Write `model` as QONNX, with the front end's integers and the design in the metadata; the file appears when complete.

    front: everything before the tokens, or its token shifts [channels, wavelets] alone where there is nothing else.

    Rounding: the quantizers round ties up, which is what FINN's thresholds do. QONNX has no mode for that: its HALF_UP, which
    the file names, rounds negative ties away from zero, so a plain QONNX run may differ by one there.
    """
    design = model.design
    front = front if isinstance(front, FrontEnd) else FrontEnd(front)
    partial = path.with_suffix(".partial.onnx")
    _trace(model.eval(), design, partial)
    graph = onnx.load(partial)
    _name_boundaries(graph, design)
    if design.model.pool == "none":
        _rename(graph, _consumer(graph, f"block{design.model.layers - 1}_out").output[0], "flat")
    _name_parameters(graph, design)
    _snap_parameters(graph)
    onnx.helper.set_model_props(
        graph,
        {
            "design": design.name,
            "spec_hash": spec_hash(design),
        }
        | front.metadata(),
    )
    _annotate_input(graph, design)
    onnx.save(graph, partial)
    partial.replace(path)


def _trace(model: QuantInd, design: Design, path: Path) -> None:
    module: nn.Module = model
    example: tuple[torch.Tensor, ...] = (torch.zeros(1, tokens_at_once(design), design.tokenizer.features),)
    names = state_names(design)
    if names:
        module, states = StreamStep(model).eval(), model.at_reset(1)
        example += tuple(states[name] for name in names)
    given, made = [INPUT, *map(before, names)], [OUTPUT, *map(after, names)]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trace_qonnx(module, args=example, export_path=str(path), dynamo=False, input_names=given, output_names=made)


def boundary_order(design: Design) -> list[str]:
    """Names of the activation quantizers in the order in which the graph holds them."""
    block = ("query", "key", "value", "state", "attention", "project", "attended", "expand", "contract", "out")
    blocks = [f"block{i}_{part}" for i in range(design.model.layers) for part in block]
    start = ["embed"] if design.model.streaming else ["embed", "position", "window"]
    return [*start, *blocks, *(["pool"] if design.model.pool == "mean" else [])]


def _name_boundaries(graph: ModelProto, design: Design) -> None:
    parameters = {tensor.name for tensor in graph.graph.initializer} - {"position"}
    found = [node for node in graph.graph.node if node.op_type == "Quant" and node.input[0] not in parameters]
    names = boundary_order(design)
    if len(found) != len(names):
        raise RuntimeError(f"{design.name}: the exported graph has {len(found)} quantizers, the decoder {len(names)}")
    for node, name in zip(found, names, strict=True):
        node.name = f"{name}_quant"
        for attribute in node.attribute:
            if attribute.name == "rounding_mode":
                attribute.s = b"HALF_UP"
        _rename(graph, node.output[0], "position_quantized" if name == "position" else name)


def _name_parameters(graph: ModelProto, design: Design) -> None:
    for layer in linear_layers(design):
        module = ("model." if design.model.streaming else "") + _module_path(layer.name)
        for part in ("weight", "bias"):
            node = _consumer(graph, f"{module}.{part}")
            node.name = f"{layer.name}_{part}_quant"
            _rename(graph, node.output[0], f"{layer.name}_{part}_quantized")
            _rename(graph, f"{module}.{part}", f"{layer.name}_{part}")


def _module_path(layer: str) -> str:
    block, _, part = layer.rpartition("_")
    if not block:
        return layer
    owner = "" if part in ("expand", "contract") else "attention."
    return f"blocks.{block.removeprefix('block')}.{owner}{part}"


def _consumer(graph: ModelProto, tensor: str) -> NodeProto:
    return next(node for node in graph.graph.node if node.input and node.input[0] == tensor)


def _rename(graph: ModelProto, old: str, new: str) -> None:
    for node in graph.graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                if name == old:
                    names[i] = new
    for holder in (graph.graph.initializer, graph.graph.value_info):
        for item in holder:
            if item.name == old:
                item.name = new


def _snap_parameters(graph: ModelProto) -> None:
    """Put weights, biases and positions on their grid, so that no reader has to round."""
    initializers = {tensor.name: tensor for tensor in graph.graph.initializer}
    for node in graph.graph.node:
        if node.op_type == "Quant" and node.input[0] in initializers:
            values, scale, _, bits = (numpy_helper.to_array(initializers[name]).astype(np.float64) for name in node.input)
            reach = 2.0 ** (float(bits) - 1)
            snapped = np.clip(np.floor(values / scale + 0.5), -reach, reach - 1) * scale
            initializers[node.input[0]].CopyFrom(numpy_helper.from_array(snapped.astype(np.float32), node.input[0]))


def _annotate_input(graph: ModelProto, design: Design) -> None:
    """Tell QONNX and FINN that the inputs hold integers: of the token format, and states of theirs."""
    for name in (INPUT, *map(before, state_names(design))):
        format = design.tokenizer.token if name == INPUT else design.quant.stream
        note = graph.graph.quantization_annotation.add()
        note.tensor_name = name
        note.quant_parameter_tensor_names.add(key="finn_datatype", value=format.name)
