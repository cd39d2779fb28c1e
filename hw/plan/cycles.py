"""Cycles per decision that each stage needs, before anything is built; rtl_sim measures the same numbers."""

from designs.layer_table import linear_layers
from designs.schema import Design, TokenizerSpec
from hw.plan.folding import Folding, attention_cycles, fold, linear_cycles


def plan_cycles(design: Design, folding: dict[str, Folding] | None = None) -> dict[str, int]:
    """Stage -> cycles for which it is busy per decision, in the order of the flow; `folding` None: `fold(design)`.

    Stages work at the same time, so decisions follow each other at the pace of the slowest one.
    """
    folding = fold(design) if folding is None else folding
    model = design.model
    layers = {layer.name: linear_cycles(layer, folding[layer.name]) for layer in linear_layers(design)}
    attention = {f"block{i}_attention": attention_cycles(design, folding[f"block{i}_attention"]) for i in range(model.layers)}
    cycles = {"tokenizer": tokenizer_cycles(design.tokenizer), "embed": layers["embed"]}
    cycles["window"] = (model.tokens + 1) * model.embed_dim  # one embedding in, the whole window out
    for i in range(model.layers):
        for part in ("query", "key", "value", "attention", "project", "expand", "contract"):
            cycles[f"block{i}_{part}"] = (attention | layers)[f"block{i}_{part}"]
    cycles["pool"] = 2 * model.tokens * model.embed_dim  # read the running sum, write it back
    cycles["readout"] = layers["readout"]
    return cycles


def slowest(cycles: dict[str, int]) -> str:
    """The stage that sets the pace."""
    return max(cycles, key=lambda stage: cycles[stage])


def tokenizer_cycles(spec: TokenizerSpec) -> int:
    """Cycles per token, averaged over the tokens and rounded up: one per even sample, two per step."""
    period = 1 << (spec.octaves - 1)  # after so many tokens every octave has had whole steps
    steps = sum(period * spec.token_pairs >> octave for octave in range(spec.octaves))
    return -(-spec.channels * (period * spec.token_pairs + 2 * steps) // period)
