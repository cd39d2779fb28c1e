"""IntegerParameters: everything the integer decoder needs besides its Design. Pure data, checked on creation."""

from dataclasses import dataclass, field

import numpy as np

from designs.layer_table import LinearLayer, attention_sum, leak_limits, linear_layers
from designs.number_format import IntFormat, product_sum
from designs.schema import GAIN_BITS, Design
from quant.golden.normaliser import numerator_bits

INTEGER_BITS = 64
"""The golden model's integers."""


class ParameterError(ValueError):
    """Parameters that do not fit the design; the message names the layer."""


def _inside(who: str, values: np.ndarray, shape: tuple[int, ...], fmt: IntFormat) -> np.ndarray:
    if values.shape != shape:
        raise ParameterError(f"{who}: shape {values.shape} where the design has {shape}; is it of another design?")
    if not np.issubdtype(values.dtype, np.integer):
        raise ParameterError(f"{who}: {values.dtype} values where integers are needed")
    if values.size and (values.min() < fmt.min or values.max() > fmt.max):
        raise ParameterError(f"{who}: values from {values.min()} to {values.max()} do not fit {fmt}")
    return values.astype(np.int64)


def _shift(who: str, shift: int) -> int:
    if not 0 <= int(shift) <= 31:
        raise ParameterError(f"{who}: shift={shift} is out of range; use 0 to 31")
    return int(shift)


@dataclass(frozen=True)
class LinearParameters:
    """weight [outputs, inputs], bias [outputs] at accumulator scale, shift of the requantization (0 for the readout)."""

    weight: np.ndarray
    bias: np.ndarray
    shift: int


@dataclass(frozen=True)
class LeakShifts:
    """Left shifts of a leaky mean (quant.golden.leaky_mean), one of them 0: kept, of what is there; added, of what is new."""

    kept: int = 0
    added: int = 0


NO_LEAK = LeakShifts()


@dataclass(frozen=True)
class AttentionShifts:
    """state: key-value sum -> KV state; out: query times state -> attention output.

    numerator: of a normalised attention, which has no shift `out`: left shift of query times state in front of the division.
    leak: of a state that runs on, which has no shift `state`.
    """

    state: int
    out: int
    numerator: int = 0
    leak: LeakShifts = NO_LEAK


def _check_leak(who: str, leak: LeakShifts, design: Design, new: IntFormat) -> None:
    kept, added = leak_limits(design, new) if design.model.streaming else (0, 0)
    if not (0 <= leak.kept <= kept and 0 <= leak.added <= added) or (leak.kept and leak.added):
        raise ParameterError(
            f"{who} leak: kept={leak.kept}, added={leak.added} are out of range; use 0 to {kept}, 0 to {added}, one of them 0"
        )


def _check_attention(who: str, shifts: AttentionShifts, design: Design) -> None:
    unused, normaliser = ("numerator" if design.model.normaliser == "none" else "out"), design.model.normaliser
    for name in ("state", "out", "numerator"):
        _shift(f"{who} {name}", getattr(shifts, name))
    activation = design.quant.activation
    _check_leak(who, shifts.leak, design, product_sum(activation.unsigned(), activation, 1))
    if design.model.streaming and shifts.state:
        raise ParameterError(f"{who} state: shift={shifts.state} where the state runs on and has none; use 0")
    if getattr(shifts, unused):
        raise ParameterError(f"{who} {unused}: shift={getattr(shifts, unused)} where normaliser={normaliser!r} has none; use 0")
    bits = numerator_bits(attention_sum(design), shifts.numerator)
    if bits > INTEGER_BITS:
        raise ParameterError(f"{who} numerator: shift={shifts.numerator} needs {bits} bits, more than {INTEGER_BITS}")


@dataclass(frozen=True)
class PreprocessParameters:
    """By channel: shift, the channel's gain is 2 ** shift, -GAIN_BITS to GAIN_BITS; dead, 1 where it is masked for good."""

    shift: np.ndarray
    dead: np.ndarray


@dataclass(frozen=True)
class IntegerParameters:
    """All integers of one trained decoder."""

    design: Design
    token_shift: np.ndarray
    """[channels, wavelets], 0 to 31: right shift of each pooled feature."""
    linear: dict[str, LinearParameters]
    """By layer name of designs.layer_table."""
    position: np.ndarray
    """[tokens, embed_dim] at the scale of the residual stream; [0, embed_dim] where states run on."""
    attention: tuple[AttentionShifts, ...]
    """One per layer."""
    mean_shift: int
    """Right shift from the sum of the window's tokens to the pooled vector; 0 where that is a leaky mean."""
    readout_scale: float
    """Value of one unit of the readout; reports only, no integer depends on it."""
    spatial_weight: np.ndarray | None = None
    """[virtual channels, channels] of the spatial filter, where the design has one."""
    spatial_shift: int = 0
    target_scale: np.ndarray = field(default_factory=lambda: np.ones(1))
    target_centre: np.ndarray = field(default_factory=lambda: np.zeros(1))
    """[outputs] or [1]: a regressor's value = readout * readout_scale * target_scale + target_centre; reports only."""
    preprocess: PreprocessParameters | None = None
    """Where the design preprocesses its samples."""
    pool_leak: LeakShifts = NO_LEAK
    """Of the pooled vector, where states run on."""

    def __post_init__(self) -> None:
        design = self.design
        tokenizer, model = design.tokenizer, design.model
        shape = (tokenizer.bank_channels, tokenizer.wavelets)
        object.__setattr__(
            self, "token_shift", _inside(f"{design.name}: token_shift", self.token_shift, shape, tokenizer.bank.token_shift)
        )
        self._check_preprocess()
        self._check_spatial()
        positions = 0 if model.streaming else model.tokens
        position = _inside(f"{design.name}: position", self.position, (positions, model.embed_dim), design.quant.stream)
        object.__setattr__(self, "position", position)
        names = [layer.name for layer in linear_layers(design)]
        if sorted(names) != sorted(self.linear):
            odd = sorted(set(names) ^ set(self.linear))
            raise ParameterError(f"{design.name}: layers {', '.join(odd)} are missing or unknown; is it of another design?")
        checked = {layer.name: self._checked(layer) for layer in linear_layers(design)}
        object.__setattr__(self, "linear", checked)
        if len(self.attention) != model.layers:
            raise ParameterError(f"{design.name}: {len(self.attention)} attention layers where the design has {model.layers}")
        for i, shifts in enumerate(self.attention):
            _check_attention(f"{design.name}: block{i}", shifts, design)
        _shift(f"{design.name}: mean_shift", self.mean_shift)
        _check_leak(f"{design.name}: pool", self.pool_leak, design, design.quant.stream)

    def _check_preprocess(self) -> None:
        spec, found, who = self.design.tokenizer, self.preprocess, f"{self.design.name}: preprocess"
        if (spec.preprocess is None) != (found is None):
            has, holds = ("a", "none") if spec.preprocess else ("no", "one")
            raise ParameterError(f"{who}: the design has {has} preprocessing, the parameters hold {holds}; export it again")
        if found is None:
            return
        shift = _inside(f"{who} shift", found.shift, (spec.channels,), IntFormat(63))
        if shift.min() < -GAIN_BITS or shift.max() > GAIN_BITS:
            raise ParameterError(
                f"{who} shift: values from {shift.min()} to {shift.max()} are out of range; use {-GAIN_BITS} to {GAIN_BITS}"
            )
        dead = _inside(f"{who} dead", found.dead, (spec.channels,), IntFormat(1, signed=False))
        object.__setattr__(self, "preprocess", PreprocessParameters(shift, dead))

    def _check_spatial(self) -> None:
        spec, who = self.design.tokenizer, f"{self.design.name}: spatial_weight"
        if (spec.spatial is None) != (self.spatial_weight is None):
            has, holds = ("a", "none") if spec.spatial else ("no", "one")
            raise ParameterError(f"{who}: the design has {has} spatial filter, the parameters hold {holds}; export it again")
        if spec.spatial is not None and self.spatial_weight is not None:
            shape = (spec.bank_channels, spec.channels)
            object.__setattr__(self, "spatial_weight", _inside(who, self.spatial_weight, shape, spec.spatial.weight))
        _shift(f"{self.design.name}: spatial_shift", self.spatial_shift)

    def _checked(self, layer: LinearLayer) -> LinearParameters:
        found, who = self.linear[layer.name], f"{self.design.name}: {layer.name}"
        weight = _inside(f"{who} weight", found.weight, (layer.outputs, layer.inputs), layer.weight)
        bias = _inside(f"{who} bias", found.bias, (layer.outputs,), layer.bias)
        return LinearParameters(weight, bias, _shift(who, found.shift))
