"""The engine's memory map and program where states run on: one token's work, in one lane."""

from dataclasses import dataclass

from designs.layer_table import linear_layer
from designs.schema import Design
from hw.plan.passes import Kind, Pass, padded_outputs


@dataclass(frozen=True)
class StreamMap:
    """First words of everything kept between passes. First memory: one value per word; second memory: one place per row; third
    memory: the values of a token, a place per row."""

    features: int
    stream: int
    query: int
    attention: int
    hidden: int
    key: int
    pool: int
    """Kept from token to token."""
    depth: int
    state: int
    """Of the first layer; the others follow. Kept from token to token."""
    state_words: int
    second_depth: int
    value_words: int


def stream_map(design: Design, rows: int) -> StreamMap:
    """Hidden activations share their words with queries and attention outputs: they are never alive together."""
    model, stream = design.model, design.tokenizer.features
    query = stream + model.embed_dim
    key = query + max(2 * model.embed_dim, model.hidden_dim)
    groups = model.embed_dim // rows
    state_words = groups * model.embed_dim
    return StreamMap(
        features=0,
        stream=stream,
        query=query,
        attention=query + model.embed_dim,
        hidden=query,
        key=key,
        pool=key + model.embed_dim,
        depth=key + 2 * model.embed_dim,
        state=0,
        state_words=state_words,
        second_depth=model.layers * state_words,
        value_words=groups,
    )


def stream_passes(design: Design, rows: int) -> tuple[Pass, ...]:
    """The passes of one token, from its features to the readout; shifts are 0, for they come with the weights."""
    at, dim, stream = stream_map(design, rows), design.model.embed_dim, design.quant.stream
    features, token = design.tokenizer.features, design.tokenizer.token
    take = Pass(
        "tokens", Kind.TAKE, source=0, dest=at.features, steps=features, groups=1, places=1, out=token, source_format=token
    )
    found = [take, _linear("embed", design, rows, at.features, at.stream)]
    for i in range(design.model.layers):
        found += _block(i, design, rows, at)
    pool = Pass(
        "pool", Kind.POOL, source=at.stream, dest=at.pool, steps=0, groups=1, places=dim, out=stream, source_format=stream
    )
    return (*found, pool, _linear("readout", design, rows, at.pool, 0, kind=Kind.READOUT))


def _block(index: int, design: Design, rows: int, at: StreamMap) -> list[Pass]:
    """Attention and feed-forward of one layer; both add their result to the stream."""
    block, dim, state = f"block{index}_", design.model.embed_dim, at.state + index * at.state_words
    leak = Pass(
        name=block + "state",
        kind=Kind.LEAK,
        source=at.key,
        dest=state,
        steps=2,
        blocks=dim,
        groups=dim // rows,
        places=1,
        out=design.quant.stream,
        source_format=design.quant.activation.unsigned(),
        by_token=True,
    )
    attention = Pass(
        name=block + "attention",
        kind=Kind.ATTEND,
        source=at.query,
        second=state,
        dest=at.attention,
        steps=dim,
        groups=dim // rows,
        places=rows,
        out=design.quant.stream,
        source_format=design.quant.activation.unsigned(),
    )
    return [
        _linear(block + "query", design, rows, at.stream, at.query),
        _linear(block + "key", design, rows, at.stream, at.key),
        _linear(block + "value", design, rows, at.stream, 0, by_token=True),
        leak,
        attention,
        _linear(block + "project", design, rows, at.attention, at.stream, residual=True),
        _linear(block + "expand", design, rows, at.stream, at.hidden),
        _linear(block + "contract", design, rows, at.hidden, at.stream, residual=True),
    ]


def _linear(
    name: str,
    design: Design,
    rows: int,
    source: int,
    dest: int,
    *,
    kind: Kind = Kind.LINEAR,
    by_token: bool = False,
    residual: bool = False,
) -> Pass:
    layer = linear_layer(design, name)
    return Pass(
        name=name,
        kind=kind,
        source=source,
        dest=dest,
        steps=layer.inputs,
        groups=padded_outputs(layer, rows) // rows,
        places=1 if by_token else rows,
        out=layer.out or layer.acc,
        source_format=layer.input,
        by_token=by_token,
        residual=residual,
    )
