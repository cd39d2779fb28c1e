"""How many multipliers each layer gets, so that every stage of the decoder keeps the cycle budget of its design."""

from dataclasses import dataclass

from designs.layer_table import LinearLayer, linear_layers
from designs.schema import Design, DesignError

WORD_BITS_MAX = 64
"""Widest word of a weight memory: the widest SRAM macro, and what the load bus carries."""


@dataclass(frozen=True)
class Folding:
    """`pe` outputs are computed side by side, each from `simd` inputs per cycle: pe * simd multipliers."""

    pe: int
    simd: int = 1

    @property
    def multipliers(self) -> int:
        return self.pe * self.simd


def fold(design: Design) -> dict[str, Folding]:
    """The fewest multipliers per stage that keep `hardware.stage_cycles`; SIMD stays 1 unless PE alone is not enough.

    Keys: every layer of designs.layer_table.linear_layers, and `block{i}_attention`, whose `pe` multipliers are shared by
    both of its phases; none with the backend "engine", which has no stages. Raises DesignError, naming the stage, where no
    folding is fast enough.
    """
    if design.hardware.backend == "engine":
        return {}
    found = {layer.name: fold_linear(design, layer) for layer in linear_layers(design)}
    return found | {f"block{i}_attention": fold_attention(design) for i in range(design.model.layers)}


def fold_linear(design: Design, layer: LinearLayer) -> Folding:
    """The smallest (simd, pe) that is legal for `layer` and fast enough."""
    candidates = [Folding(pe, simd) for simd in divisors(layer.inputs) for pe in divisors(layer.outputs)]
    legal = [folding for folding in candidates if word_bits(layer, folding) <= WORD_BITS_MAX]
    budget = design.hardware.stage_cycles
    for folding in legal:
        if linear_cycles(layer, folding) <= budget:
            return folding
    best = min(linear_cycles(layer, folding) for folding in legal)
    raise DesignError(
        f"{design.name}: {layer.name} needs at least {best} cycles, hardware.stage_cycles={budget}; raise it to {best}"
    )


def fold_attention(design: Design) -> Folding:
    """The smallest `pe` that divides embed_dim and is fast enough."""
    dim, budget = design.model.embed_dim, design.hardware.stage_cycles
    for pe in divisors(dim):
        if attention_cycles(design, Folding(pe)) <= budget:
            return Folding(pe)
    best = attention_cycles(design, Folding(dim))
    raise DesignError(
        f"{design.name}: attention needs at least {best} cycles, hardware.stage_cycles={budget}; raise it to {best}"
    )


def check_folding(design: Design, folding: dict[str, Folding]) -> None:
    """Raise DesignError unless `folding` has exactly the stages of `design`, each divided without a remainder."""
    names = [layer.name for layer in linear_layers(design)] + [f"block{i}_attention" for i in range(design.model.layers)]
    if odd := sorted(set(names) ^ set(folding)):
        raise DesignError(
            f"{design.name}: folding of {', '.join(odd)} is missing or of no stage; the stages are {', '.join(names)}"
        )
    for layer in linear_layers(design):
        pe, simd = folding[layer.name].pe, folding[layer.name].simd
        _require_divides(f"{design.name}: {layer.name} outputs", layer.outputs, "pe", pe)
        _require_divides(f"{design.name}: {layer.name} inputs", layer.inputs, "simd", simd)
        bits = word_bits(layer, folding[layer.name])
        if bits > WORD_BITS_MAX:
            raise DesignError(
                f"{design.name}: {layer.name} pe={pe} times simd={simd} weights of {layer.weight.bits} bits make words of "
                f"{bits} bits; use at most {WORD_BITS_MAX // layer.weight.bits} multipliers"
            )
    for i in range(design.model.layers):
        name = f"block{i}_attention"
        _require_divides(f"{design.name}: {name} embed_dim", design.model.embed_dim, "pe", folding[name].pe)


def linear_cycles(layer: LinearLayer, folding: Folding) -> int:
    """Cycles per decision of a layer that takes and gives one value per cycle."""
    per_vector = max(layer.inputs * layer.outputs // folding.multipliers, layer.inputs, layer.outputs)
    return per_vector * layer.tokens


def attention_cycles(design: Design, folding: Folding) -> int:
    """Cycles per decision: the window's key-value sum, then its queries times the state."""
    return 2 * design.model.tokens * design.model.embed_dim**2 // folding.pe


def word_bits(layer: LinearLayer, folding: Folding) -> int:
    """Width of one word of the layer's weight memory."""
    return folding.multipliers * layer.weight.bits


def divisors(number: int) -> list[int]:
    """Every divisor of `number`, ascending."""
    return [candidate for candidate in range(1, number + 1) if number % candidate == 0]


def _require_divides(who: str, whole: int, field: str, part: int) -> None:
    if part < 1 or whole % part:
        *others, last = map(str, divisors(whole))
        legal = f"{', '.join(others)} or {last}" if others else last
        raise DesignError(f"{who}={whole} is not a multiple of folding.{field}={part}; use {legal}")
