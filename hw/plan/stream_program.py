"""The engine's memory map and program where states run on: one token's work, in one lane."""

from dataclasses import dataclass

from designs.schema import Design
from hw.plan.passes import Kind, Pass, attend_pass, linear_pass, pool_pass


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
    at, features, token = stream_map(design, rows), design.tokenizer.features, design.tokenizer.token
    take = Pass(
        "tokens", Kind.TAKE, source=0, dest=at.features, steps=features, groups=1, places=1, out=token, source_format=token
    )
    found = [take, linear_pass("embed", design, rows, source=at.features, dest=at.stream)]
    for i in range(design.model.layers):
        found += _block(i, design, rows, at)
    pool = pool_pass(design, source=at.stream, dest=at.pool)
    return (*found, pool, linear_pass("readout", design, rows, source=at.pool, dest=0, kind=Kind.READOUT))


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
    return [
        linear_pass(block + "query", design, rows, source=at.stream, dest=at.query),
        linear_pass(block + "key", design, rows, source=at.stream, dest=at.key),
        linear_pass(block + "value", design, rows, source=at.stream, dest=0, by_token=True),
        leak,
        attend_pass(block + "attention", design, rows, source=at.query, second=state, dest=at.attention),
        linear_pass(block + "project", design, rows, source=at.attention, dest=at.stream, residual=True),
        linear_pass(block + "expand", design, rows, source=at.stream, dest=at.hidden),
        linear_pass(block + "contract", design, rows, source=at.hidden, dest=at.stream, residual=True),
    ]
