"""Float IND -> QuantInd: standardisation folded in, every scale's exponent chosen by squared error."""

import math

import torch
from torch import Tensor

from designs.layer_table import LinearLayer, leak_limits, linear_layers, state_names
from designs.number_format import IntFormat, product_sum
from designs.schema import LEAK_SHIFT, Design
from models.ind import Ind
from models.linear_attention import divisor, leaks
from quant.quant_ind import QuantInd
from quant.quantizers import range_log2, scale_log2, set_scale_log2

EXPONENTS_TRIED = 8
SAMPLE_VALUES = 200_000


def from_float(ind: Ind, mean: Tensor, scale: Tensor, design: Design) -> QuantInd:
    """A QuantInd that takes raw tokens where `ind` takes (tokens - mean) / scale; exponents still unset.

    mean, scale [features]; an infinite scale gives a feature no weight.
    """
    apart = ("spatial", "target_centre", "target_scale")  # what stands before the tokens and behind the readout
    weights = {name: value.detach().clone() for name, value in ind.state_dict().items() if name not in apart}
    weights["embed.weight"] = weights["embed.weight"] / scale
    weights["embed.bias"] = weights["embed.bias"] - weights["embed.weight"] @ mean
    quantized = QuantInd(design)
    _, unknown = quantized.load_state_dict(weights, strict=False)
    if unknown:
        raise KeyError(f"{design.name}: parameters {', '.join(unknown)} have no place in the quantized decoder")
    return quantized


def calibrate(quantized: QuantInd, tokens: Tensor) -> None:
    """Set every exponent from the float values at its place; tokens [windows, tokens, features], a few hundred windows."""
    with torch.no_grad():
        seen = float_boundaries(quantized, tokens)
    grouped: dict[int, tuple[str, list[Tensor]]] = {}
    for name, values in seen.items():
        module, _ = quantized.quantizer(name)
        grouped.setdefault(id(module), (name, []))[1].append(values.flatten())
    for name, parts in grouped.values():
        module, fmt = quantized.quantizer(name)
        # a leaky mean of integers stops 2 ** (LEAK_SHIFT - 1) units before it reaches what it takes
        grain = 1 << LEAK_SHIFT if name in state_names(quantized.design) else 1
        set_scale_log2(module, fmt, best_exponent(torch.cat(parts), fmt, grain))
    for layer in linear_layers(quantized.design):
        weight = quantized.layer(layer.name).weight.detach().flatten()
        set_scale_log2(quantized.layer(layer.name), layer.weight, best_exponent(weight, layer.weight))
    keep_shifts_in_range(quantized)


def best_exponent(values: Tensor, fmt: IntFormat, grain: int = 1) -> int:
    """The exponent whose scale represents `values` in `fmt`, of which only every `grain`th is used, with the least squared
    error."""
    if len(values) > SAMPLE_VALUES:
        values = values[:: len(values) // SAMPLE_VALUES + 1]
    largest = float(values.abs().max())
    if largest == 0:
        return -fmt.bits
    top = math.ceil(math.log2(largest / max(fmt.max, 1)))
    errors = {}
    for exponent in range(top, top - EXPONENTS_TRIED, -1):
        step = 2.0**exponent
        whole = torch.floor(values / (step * grain) + 0.5) * grain
        rounded = whole.clamp(fmt.min, fmt.max) * step
        errors[exponent] = float(((rounded - values) ** 2).sum())
    return min(errors, key=lambda exponent: errors[exponent])


def float_boundaries(model: QuantInd, tokens: Tensor) -> dict[str, Tensor]:
    """The decoder in float with the weights of `model`: what its boundaries would hold without quantization."""

    def linear(name: str, inputs: Tensor) -> Tensor:
        module = model.layer(name)
        return torch.nn.functional.linear(inputs, module.weight, module.bias)

    found = {"embed": linear("embed", tokens)}
    current = found["embed"]
    if model.position is not None:
        current = found["window"] = found["embed"] + model.position
    leaky = leaks(tokens.shape[1]) if model.design.model.streaming else None
    for i in range(model.design.model.layers):
        block = f"block{i}_"
        query = found[block + "query"] = linear(block + "query", current).relu()
        key = found[block + "key"] = linear(block + "key", current).relu()
        value = found[block + "value"] = linear(block + "value", current)
        if leaky is None:
            state = found[block + "state"] = key.transpose(1, 2) @ value * model.mean_scale
            attention = query @ state / divisor(query, key, model.design.model)
        else:
            found[block + "state"] = torch.einsum("ts,bsk,bsv->btkv", leaky, key, value)
            attention = query @ key.transpose(1, 2) * leaky @ value
        found[block + "attention"] = attention
        found[block + "project"] = linear(block + "project", attention)
        attended = found[block + "attended"] = current + found[block + "project"]
        hidden = found[block + "expand"] = linear(block + "expand", attended).relu()
        found[block + "contract"] = linear(block + "contract", hidden)
        current = found[block + "out"] = attended + found[block + "contract"]
    if leaky is not None:
        found["pool"] = leaky @ current
    elif model.design.model.pool == "mean":
        found["pool"] = current.sum(dim=1) * model.mean_scale
    return found


def linear_input(layer: LinearLayer) -> str:
    """The boundary whose scale the inputs of `layer` have."""
    block, _, part = layer.name.rpartition("_")
    if part == "project":
        return f"{block}_attention"
    if part == "contract":
        return f"{block}_expand"
    return {"embed": "tokens", "readout": "pool"}.get(layer.name, "window")


def shifts(model: QuantInd) -> dict[str, int]:
    """The right shift of every requantization, by the boundary behind it; for a normalised attention, whose quotients need no
    requantization, the left shift of the numerators."""
    exponent, halved = model.exponent, model.design.model.mean_shift
    found = {}
    for layer in linear_layers(model.design)[:-1]:
        weight = scale_log2(model.layer(layer.name), layer.weight)
        found[layer.name] = exponent(layer.name) - exponent(linear_input(layer)) - weight
    for i in range(model.design.model.layers):
        block = f"block{i}_"
        if not model.design.model.streaming:
            found[block + "state"] = exponent(block + "state") - exponent(block + "key") - exponent(block + "value") + halved
        if model.design.model.normaliser == "none":
            found[block + "attention"] = exponent(block + "attention") - exponent(block + "query") - exponent(block + "state")
        else:
            found[block + "attention"] = (
                exponent(block + "state") - exponent(block + "key") - exponent(block + "attention") + halved
            )
    if model.design.model.pool == "mean" and not model.design.model.streaming:
        found["pool"] = exponent("pool") - exponent("window") + halved
    return found


def leak_octaves(model: QuantInd) -> dict[str, tuple[int, int, int]]:
    """By leaky mean: (how many octaves its scale is coarser than that of what it takes, the least, the most that may be)."""
    design, exponent, found = model.design, model.exponent, {}
    if not design.model.streaming:
        return {}
    activation = design.quant.activation
    for i in range(design.model.layers):
        block = f"block{i}_"
        kept, added = leak_limits(design, product_sum(activation.unsigned(), activation, 1))
        coarser = exponent(block + "state") - exponent(block + "key") - exponent(block + "value")
        found[block + "state"] = (coarser, -added, kept)
    kept, added = leak_limits(design, design.quant.stream)
    return found | {"pool": (exponent("pool") - exponent("embed"), -added, kept)}


def keep_shifts_in_range(model: QuantInd) -> None:
    """Where a shift would be negative, widen the boundary's range, or narrow the weight's where the boundary is shared. The
    numerators of a normalised attention are too fine there: the state's range is widened. A leaky mean's scale is brought into
    its limits."""
    normalised = model.design.model.normaliser != "none"
    _keep_leaks_in_range(model)
    while missing := next(((name, -shift) for name, shift in shifts(model).items() if shift < 0), None):
        name, octaves = missing
        coarser = f"{name.removesuffix('attention')}state" if normalised and name.endswith("_attention") else name
        module, _ = model.quantizer(coarser)
        with torch.no_grad():
            if module is model.stream:
                range_log2(model.layer(name)).sub_(octaves)
            else:
                range_log2(module).add_(octaves)
        _keep_leaks_in_range(model)


def _keep_leaks_in_range(model: QuantInd) -> None:
    for name, (coarser, least, most) in leak_octaves(model).items():
        with torch.no_grad():
            range_log2(model.quantizer(name)[0]).add_(min(max(coarser, least), most) - coarser)
