"""The product's quantized decoder with another family's quantizers in every place: same forward, same formats."""

import math

import torch
from torch import Tensor, nn

from designs.layer_table import linear_layers
from designs.schema import Design, DesignError
from models.ind import Ind
from quant.calibrate import float_boundaries, from_float
from quant.comparison.family import Family
from quant.comparison.quantizers import compared_activation, compared_linear, set_scale
from quant.comparison.scales import found_scale
from quant.integer_windows import IntegerWindows
from quant.quant_ind import QuantInd
from quant.quantized import calibration_tokens


def compared_ind(ind: Ind, windows: IntegerWindows, design: Design, family: Family) -> QuantInd:
    """A QuantInd of `family` with the weights of `ind`, calibrated on the training windows that the product's is."""
    if design.model.streaming or design.model.normaliser != "none":
        raise DesignError(f"{design.name}: only a window without a normaliser has other quantizers; use attention='window'")
    standardisation = windows.standardisation
    model = from_float(ind, standardisation.centre, standardisation.scale, design)
    tokens = calibration_tokens(windows)
    with torch.no_grad():
        seen = float_boundaries(model, tokens)
    put_in_place(model, family, list(seen))
    calibrate_compared(model, seen, family)
    return model.eval()


def put_in_place(model: QuantInd, family: Family, boundaries: list[str]) -> None:
    """Every layer and every activation quantizer of `model` gives way to one of `family`; weights stay."""
    new: dict[int, nn.Module] = {}
    for layer in linear_layers(model.design):
        old = model.layer(layer.name)
        new[id(old)] = linear = compared_linear(layer, family)
        linear.weight, linear.bias = old.weight, old.bias
    for name in boundaries:
        quantizer, fmt = model.quantizer(name)
        new.setdefault(id(quantizer), compared_activation(fmt, family))
    for owner in list(model.modules()):
        for name, child in list(owner.named_children()):
            if id(child) in new:
                setattr(owner, name, new[id(child)])


def calibrate_compared(model: QuantInd, seen: dict[str, Tensor], family: Family) -> None:
    """Set every scale; seen: float values by boundary. Those of one residual stream share a quantizer, so they count as one."""
    together: dict[int, list[str]] = {}
    for name in seen:
        together.setdefault(id(model.quantizer(name)[0]), []).append(name)
    for names in together.values():
        quantizer, fmt = model.quantizer(names[0])
        values = torch.cat([seen[name].flatten() for name in names])
        set_scale(quantizer, fmt, found_scale(values[None], fmt, family, activation=True), family)
    for layer in linear_layers(model.design):
        weight = model.layer(layer.name).weight.detach()
        rows = weight if family.per_channel else weight.reshape(1, -1)
        set_scale(model.layer(layer.name), layer.weight, found_scale(rows, layer.weight, family), family)


def octaves_in_range(family: Family, value: nn.Parameter, octaves: float) -> float:
    """A step of so many octaves of a learned range, in the units in which the family learns it."""
    return octaves if family.in_octaves else octaves * math.log(2) * float(value.detach().abs().mean())
