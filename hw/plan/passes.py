"""What one run through the engine's array of multipliers is."""

from dataclasses import dataclass
from enum import Enum

from designs.layer_table import LinearLayer, linear_layer, tokens_at_once
from designs.number_format import IntFormat
from designs.schema import Design
from quant.golden.parameters import NO_LEAK, LeakShifts

LANE = IntFormat(8)
"""What one place of the engine's memories holds; narrower values are extended to it."""


class Kind(Enum):
    """What a pass multiplies."""

    EMBED = "features by weights, group after group of outputs side by side"
    LINEAR = "columns of activations by weights"
    OUTER = "rows of keys by rows of values: the attention's state"
    ATTEND = "columns of queries by the state"
    POOL = "nothing: adds the tokens of each column"
    TAKE = "nothing: keeps the features as they come"
    LEAK = "the state before by what is kept of it, and rows of values by a column of keys"
    READOUT = "the pooled column, or all tokens one after the other, by weights, sums given out unrounded"


@dataclass(frozen=True)
class Pass:
    """One run through the array: `groups` x `blocks` times `steps` products into every sum, then `places` words written.

    source, second, dest: addresses, in units of words, of the operand that every row shares, of the operand that every lane
    shares (where it is no weight), and of the results.
    """

    name: str
    """The stream of designs.layer_table that it makes; `block<i>_state` for the attention's state."""
    kind: Kind
    source: int
    dest: int
    steps: int
    groups: int
    places: int
    out: IntFormat
    source_format: IntFormat
    shift: int = 0
    second: int = 0
    blocks: int = 1
    by_token: bool = False
    """Results are written token by token, `rows` outputs side by side; otherwise output by output, all tokens side by side."""
    residual: bool = False
    """Results are added to what is there."""
    lane_by_lane: bool = False
    """A step takes one lane of a word, lane after lane, into the sums of lane 0: a readout of all tokens."""
    leak: LeakShifts = NO_LEAK
    """Of a leaky mean: the state, and the pool where states run on."""

    @property
    def has_bias(self) -> bool:
        return self.kind in (Kind.EMBED, Kind.LINEAR, Kind.READOUT)

    @property
    def to_second(self) -> bool:
        """Results go to the second memory, of values and state."""
        return self.name.endswith(("_value", "_state"))


def padded_outputs(layer: LinearLayer, rows: int) -> int:
    """Outputs, filled up to whole groups; the outputs beyond the layer's have weights and bias 0 and go nowhere."""
    return -(-layer.outputs // rows) * rows


def linear_pass(
    name: str,
    design: Design,
    rows: int,
    *,
    source: int,
    dest: int,
    kind: Kind = Kind.LINEAR,
    by_token: bool = False,
    residual: bool = False,
) -> Pass:
    """The pass of a linear layer."""
    layer = linear_layer(design, name)
    return Pass(
        name=name,
        kind=kind,
        source=source,
        dest=dest,
        steps=layer.inputs,
        groups=padded_outputs(layer, rows) // rows,
        places=tokens_at_once(design) if by_token else rows,
        out=layer.out or layer.acc,
        source_format=layer.input,
        by_token=by_token,
        residual=residual,
    )


def attend_pass(name: str, design: Design, rows: int, *, source: int, second: int, dest: int) -> Pass:
    """The pass that reads a state: queries at `source` by the state at `second`."""
    dim, quant = design.model.embed_dim, design.quant
    return Pass(
        name=name,
        kind=Kind.ATTEND,
        source=source,
        second=second,
        dest=dest,
        steps=dim,
        groups=dim // rows,
        places=rows,
        out=quant.stream,
        source_format=quant.activation.unsigned(),
    )


def pool_pass(design: Design, *, source: int, dest: int) -> Pass:
    """The pass that makes the mean of the stream's tokens, or the leaky one."""
    stream = design.quant.stream
    return Pass(
        "pool",
        Kind.POOL,
        source=source,
        dest=dest,
        steps=0,
        groups=1,
        places=design.model.embed_dim,
        out=stream,
        source_format=stream,
    )
