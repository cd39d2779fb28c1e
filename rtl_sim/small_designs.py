"""Small designs with the parts that ind_tiny lacks: preprocessing, spatial filter, ready-made tokens, values."""

from dataclasses import replace

from designs.ind_tiny import IND_TINY
from designs.number_format import INT8
from designs.schema import Design, PreprocessSpec, QuantSpec, SpatialSpec, TokenizerSpec

COUNTS = TokenizerSpec(channels=6, sample_hz=20, wavelets=1, octaves=1, taps=0, cycles=0, token_ms=50, signal="counts")
VALUES = replace(IND_TINY.model, outputs=3, task="regression", pool="none", layers=2)

KEPT_CLEAN = replace(IND_TINY.tokenizer, preprocess=PreprocessSpec(drift_bits=5, dead_after=24))

SMALL: dict[str, Design] = {
    "preprocessed": replace(IND_TINY, name="preprocessed", tokenizer=KEPT_CLEAN),
    "mixed": replace(IND_TINY, name="mixed", tokenizer=replace(IND_TINY.tokenizer, channels=9, spatial=SpatialSpec(4))),
    "counts": replace(IND_TINY, name="counts", tokenizer=COUNTS, model=VALUES),
    "streaming": replace(IND_TINY, name="streaming", model=replace(IND_TINY.model, layers=2, attention="stream")),
    "streaming_int8": replace(
        IND_TINY,
        name="streaming_int8",
        model=replace(IND_TINY.model, attention="stream", outputs=5),
        quant=QuantSpec(INT8, INT8, INT8),
    ),
    "streaming_one_row": replace(
        IND_TINY, name="streaming_one_row", model=replace(IND_TINY.model, embed_dim=7, hidden_dim=11, attention="stream")
    ),
    "streaming_values": replace(
        IND_TINY, name="streaming_values", tokenizer=COUNTS, model=replace(VALUES, pool="mean", attention="stream")
    ),
    "mean_value": replace(IND_TINY, name="mean_value", model=replace(VALUES, outputs=1, pool="mean", layers=1)),
}
