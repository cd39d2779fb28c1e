"""The engine's size, memory map and program: what one array of multipliers does, pass after pass, for one decision."""

from dataclasses import dataclass, replace

from designs.layer_table import attention_sum, key_value_sum, leak_limits, linear_layers, token_sum, tokens_at_once
from designs.number_format import IntFormat, product_sum
from designs.schema import LEAK_SHIFT, Design, DesignError
from hw.plan.folding import WORD_BITS_MAX
from hw.plan.passes import LANE, Kind, Pass, attend_pass, linear_pass, pool_pass
from hw.plan.stream_program import stream_passes
from quant.golden.parameters import IntegerParameters, LeakShifts

ROWS_MAX = 8


@dataclass(frozen=True)
class MemoryMap:
    """First words of everything kept between passes. First memory: one place per token; second memory: one place per row."""

    stream: int
    query: int
    attention: int
    hidden: int
    key: int
    history: int
    depth: int
    value: int
    state: int
    second_depth: int


def engine_rows(design: Design) -> int:
    """Outputs computed side by side, for all tokens at once; DesignError where the engine cannot be laid out."""
    model = design.model
    if model.streaming:
        return next(rows for rows in (8, 4, 2, 1) if model.embed_dim % rows == 0 and model.hidden_dim % rows == 0)
    for rows in (8, 4, 2, 1):
        fits = model.embed_dim % rows == 0 and model.hidden_dim % rows == 0 and rows <= min(model.tokens, ROWS_MAX)
        if fits and model.embed_dim // rows <= model.tokens:
            return rows
    raise DesignError(
        f"{design.name}: the engine embeds a token in embed_dim / rows steps side by side, and embed_dim={model.embed_dim}, "
        f"hidden_dim={model.hidden_dim}, tokens={model.tokens} allow no number of rows; use backend='amaranth'"
    )


def memory_map(design: Design) -> MemoryMap:
    """Hidden activations share their words with queries and attention outputs: they are never alive together."""
    model, rows = design.model, engine_rows(design)
    dim, row_words = model.embed_dim, model.embed_dim // rows * model.tokens
    key = max(3 * dim, dim + model.hidden_dim)
    history = key + row_words
    return MemoryMap(
        stream=0,
        query=dim,
        attention=2 * dim,
        hidden=dim,
        key=key,
        history=history,
        depth=history + dim,
        value=0,
        state=row_words,
        second_depth=row_words + dim * (dim // rows),
    )


def program(parameters: IntegerParameters) -> tuple[Pass, ...]:
    """The passes of one decision with the decoder's shifts."""
    shifts = {name: layer.shift for name, layer in parameters.linear.items()} | {"pool": parameters.mean_shift}
    for i, attention in enumerate(parameters.attention):
        shifts |= {f"block{i}_state": attention.state, f"block{i}_attention": attention.out}
    if not parameters.design.model.streaming:
        return tuple(replace(one, shift=shifts[one.name]) for one in passes(parameters.design))
    leaks = {f"block{i}_state": attention.leak for i, attention in enumerate(parameters.attention)}
    leaks |= {"pool": parameters.pool_leak}
    shifts |= {"tokens": 0} | {name: leak.kept + LEAK_SHIFT for name, leak in leaks.items()}
    return tuple(
        replace(one, shift=shifts[one.name], leak=leaks.get(one.name, LeakShifts())) for one in passes(parameters.design)
    )


def passes(design: Design) -> tuple[Pass, ...]:
    """The passes of one decision, from a token's features to the readout; shifts are 0, for they come with the weights."""
    if design.model.streaming:
        return stream_passes(design, engine_rows(design))
    at, rows = memory_map(design), engine_rows(design)
    found = [linear_pass("embed", design, rows, kind=Kind.EMBED, source=0, dest=at.history)]
    for i in range(design.model.layers):
        found += _block(f"block{i}_", design, at)
    if design.model.pool == "none":
        readout = linear_pass("readout", design, rows, kind=Kind.READOUT, source=at.stream, dest=0)
        return (*found, replace(readout, lane_by_lane=True))
    pool = pool_pass(design, source=at.stream, dest=at.attention)
    return (*found, pool, linear_pass("readout", design, rows, kind=Kind.READOUT, source=at.attention, dest=0))


def _block(block: str, design: Design, at: MemoryMap) -> list[Pass]:
    """Attention and feed-forward of one layer; both add their result to the stream."""
    dim, rows, activation, stream = design.model.embed_dim, engine_rows(design), design.quant.activation, design.quant.stream
    state = Pass(
        name=block + "state",
        kind=Kind.OUTER,
        source=at.key,
        second=at.value,
        dest=at.state,
        steps=design.model.tokens,
        blocks=dim // rows,
        groups=dim // rows,
        places=rows,
        out=stream,
        source_format=activation.unsigned(),
        by_token=True,
    )
    return [
        linear_pass(block + "query", design, rows, source=at.stream, dest=at.query),
        linear_pass(block + "key", design, rows, source=at.stream, dest=at.key, by_token=True),
        linear_pass(block + "value", design, rows, source=at.stream, dest=at.value, by_token=True),
        state,
        attend_pass(block + "attention", design, rows, source=at.query, second=at.state, dest=at.attention),
        linear_pass(block + "project", design, rows, source=at.attention, dest=at.stream, residual=True),
        linear_pass(block + "expand", design, rows, source=at.stream, dest=at.hidden),
        linear_pass(block + "contract", design, rows, source=at.hidden, dest=at.stream, residual=True),
    ]


def embed_groups(design: Design) -> int:
    """Groups of outputs that a feature is multiplied for at once, in neighbouring lanes: 2 where a weight word holds both."""
    rows, model = engine_rows(design), design.model
    groups, bits = model.embed_dim // rows, 2 * rows * design.quant.weight.bits
    return 2 if groups % 2 == 0 and bits <= WORD_BITS_MAX else 1


def state_halves(design: Design) -> int:
    """2 where the attention's state is multiplied half by half, so that the multipliers need no more than half its width."""
    quant = design.quant
    half = LANE.bits // 2
    return 2 if max(quant.weight.bits, quant.activation.bits) <= half < quant.stream.bits else 1


def operand_bits(design: Design) -> tuple[int, int]:
    """Widths, signed, of what a row shares with all lanes' multipliers: (own, a lane's activation; shared, a row's weight)."""
    quant, halves = design.quant, state_halves(design)
    activations = [layer.input for layer in linear_layers(design)]
    own = max(one.bits + (not one.signed) for one in (*activations, quant.activation.unsigned()))
    if design.model.streaming:  # what is kept of a state is a factor, and keys may count more than once
        kept, added = leak_limits(design, product_sum(quant.activation.unsigned(), quant.activation, 1))
        factor = ((1 << LEAK_SHIFT) - 1) << kept
        own = max(own, factor.bit_length() + (halves - 1) * LANE.bits // 2 + 1, quant.activation.bits + added + 1)
    if halves == 2:
        return max(own, quant.activation.bits + LANE.bits // 2 + 1), LANE.bits // 2
    return own, max(quant.weight.bits, quant.activation.bits, quant.stream.bits)


def lane_sum_bits(design: Design) -> tuple[int, ...]:
    """By lane, width of the array's sums: every sum of every pass that uses the lane fits, whatever the weights.

    Embed's, the widest as a rule, are in the lanes of its groups alone, the readout's in lane 0.
    """
    groups, tokens = design.model.embed_dim // engine_rows(design), tokens_at_once(design)
    lanes = {"embed": groups, "readout": 1}
    sums = [(layer.acc, lanes.get(layer.name, tokens)) for layer in linear_layers(design)]
    sums += [(key_value_sum(design), tokens), (attention_sum(design), tokens)]
    return tuple(max(one.bits for one, used in sums if lane < used) for lane in range(tokens))


def row_sum_bits(design: Design) -> int:
    """Width of the sums that are read row by row, a lane at a time: keys, values and state."""
    by_token = [one.name for one in passes(design) if one.by_token]
    return max(key_value_sum(design).bits, *(layer.acc.bits for layer in linear_layers(design) if layer.name in by_token))


def sum_bits(design: Design) -> int:
    """Width of what is rounded: the array's sums, and of the pool's tokens."""
    return max(*lane_sum_bits(design), token_sum(design).bits)


def bias_format(design: Design) -> IntFormat:
    """Biases of all layers lie in one memory: the widest one's format."""
    return IntFormat(max(layer.bias.bits for layer in linear_layers(design)))


def weight_pack(design: Design) -> int:
    """Steps whose weights lie in one word, in all layers but embed: as many as embed's words hold groups, if that divides."""
    others = [layer for layer in linear_layers(design) if layer.name != "embed" or design.model.streaming]
    groups = embed_groups(design)
    return groups if all(layer.inputs % groups == 0 for layer in others) else 1


@dataclass(frozen=True)
class Cut:
    """A vector of `bits` as `pieces` words of `width` bits, the least number that the load bus takes, the low bits first."""

    bits: int

    @property
    def pieces(self) -> int:
        return -(-self.bits // WORD_BITS_MAX)

    @property
    def width(self) -> int:
        return -(-self.bits // self.pieces)


def bias_cut(design: Design) -> Cut:
    """The biases of a group of rows."""
    return Cut(engine_rows(design) * bias_format(design).bits)


def position_cut(design: Design) -> Cut:
    """The positions of one dim in all tokens."""
    return Cut(design.model.tokens * design.quant.stream.bits)
