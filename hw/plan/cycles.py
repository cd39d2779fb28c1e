"""Cycles per decision that each stage needs, before anything is built; rtl_sim measures the same numbers."""

from designs.layer_table import linear_layers
from designs.schema import Design, DesignError, TokenizerSpec
from hw.plan.engine import bias_cut, embed_groups, passes, position_cut, state_halves
from hw.plan.folding import Folding, attention_cycles, fold, linear_cycles
from hw.plan.passes import Kind, Pass
from hw.plan.spatial import spatial_layout


def plan_cycles(design: Design, folding: dict[str, Folding] | None = None) -> dict[str, int]:
    """Stage -> cycles for which it is busy per decision, in the order of the flow; `folding` None: `fold(design)`.

    Stages of a pipeline work at the same time. With the engine, every pass behind the tokenizer is a stage of its own here.
    """
    if design.hardware.backend == "engine":
        return {"tokenizer": tokenizer_cycles(design.tokenizer)} | {
            one.name: pass_cycles(one, design) for one in passes(design)
        }
    folding = fold(design) if folding is None else folding
    model = design.model
    layers = {layer.name: linear_cycles(layer, folding[layer.name]) for layer in linear_layers(design)}
    attention = {f"block{i}_attention": attention_cycles(design, folding[f"block{i}_attention"]) for i in range(model.layers)}
    cycles = {"tokenizer": tokenizer_cycles(design.tokenizer), "embed": layers["embed"]}
    cycles["window"] = (model.tokens + 1) * model.embed_dim  # one embedding in, the whole window out
    for i in range(model.layers):
        for part in ("query", "key", "value", "attention", "project", "expand", "contract"):
            cycles[f"block{i}_{part}"] = (attention | layers)[f"block{i}_{part}"]
    if model.pool == "mean":
        cycles["pool"] = 2 * model.tokens * model.embed_dim  # read the running sum, write it back
    cycles["readout"] = layers["readout"]
    return cycles


def pace(design: Design, folding: dict[str, Folding] | None = None) -> int:
    """Cycles from decision to decision, with samples as fast as they are taken: the slowest stage's, or all of the engine's
    passes together where that is more than the tokenizer needs."""
    cycles = plan_cycles(design, folding)
    if design.hardware.backend != "engine":
        return max(cycles.values())
    tokenizer = cycles.pop("tokenizer")
    return max(tokenizer, sum(cycles.values()))


def check_pace(design: Design) -> None:
    """DesignError where samples come faster than the clock lets them be taken; it names the lowest clock that keeps up."""
    needed, clock_khz, token_ms = pace(design), design.hardware.clock_khz, design.tokenizer.token_ms
    if needed > clock_khz * token_ms:
        raise DesignError(
            f"{design.name}: {_limiting(design, needed)} {needed} cycles per decision, but clock_khz={clock_khz} gives "
            f"{clock_khz * token_ms}; use clock_khz={-(-needed // token_ms)} or more"
        )


def _limiting(design: Design, needed: int) -> str:
    """What sets the pace, and its verb."""
    if tokenizer_cycles(design.tokenizer) == needed:
        return "spatial filter and wavelets take" if design.tokenizer.spatial else "wavelets take"
    return "the engine's passes take" if design.hardware.backend == "engine" else f"{slowest(plan_cycles(design))} takes"


def slowest(cycles: dict[str, int]) -> str:
    """The stage that takes longest."""
    return max(cycles, key=lambda stage: cycles[stage])


def pass_cycles(one: Pass, design: Design) -> int:
    """Cycles of a pass of the engine, the ones for its fetch and its begin included."""
    if one.kind is Kind.EMBED:
        return 2 + _embed_cycles(one, design)
    if design.model.streaming:
        return 2 + _stream_pass_cycles(one, design)
    steps = one.steps * (state_halves(design) if one.kind is Kind.ATTEND else 1)
    # the last operands' sum is awaited, except by what reads a word first
    running = steps + (1 if one.residual else 2) if steps else 0
    per_place = 2 if one.residual or one.kind is Kind.POOL else 1
    return 2 + one.groups * one.blocks * (running + one.places * per_place)


def _stream_pass_cycles(one: Pass, design: Design) -> int:
    """As `pass_cycles`; a leaky mean reads two words before it writes, and a state is kept half by half."""
    if one.kind is Kind.TAKE:
        return one.steps
    if one.kind is Kind.POOL:
        return 3 * one.places
    steps = one.steps
    if one.kind is Kind.ATTEND:
        steps *= state_halves(design)
    if one.kind is Kind.LEAK:
        steps += state_halves(design) - 1
    return one.groups * one.blocks * (steps + (1 if one.residual else 2) + one.places * (2 if one.residual else 1))


def _embed_cycles(one: Pass, design: Design) -> int:
    """Steps of the features, then three parts per dim of the embedding: history read, history written, window written.

    The first feature takes its groups one by one, and every group but the first waits until its biases are put together and
    its weights read again; the others take `embed_groups` at once. Positions of more than two words are waited for as well.
    """
    first = 1 + (one.groups - 1) * (bias_cut(design).pieces + 2)
    others = (one.steps - 1) * one.groups // embed_groups(design)
    dims = one.groups * one.places
    return first + others + 3 + (dims - 1) * max(3, position_cut(design).pieces + 1)


def tokenizer_cycles(spec: TokenizerSpec) -> int:
    """Cycles per token, averaged over the tokens and rounded up: one per even sample, two per step; none where samples are
    tokens already. Behind preprocessing, whose reads the steps hide, two per even sample. A spatial filter takes its cycles per
    sample on top, except while the bank is at a frame's last steps, and with preprocessing one more per sample but the first.
    """
    if spec.ready:
        return 0
    period = 1 << (spec.octaves - 1)  # after so many tokens every octave has had whole steps
    pairs = period * spec.token_pairs
    steps = sum(pairs >> octave for octave in range(spec.octaves))
    per_even = 2 if spec.preprocess and spec.spatial is None else 1
    cycles = spec.bank_channels * (pairs * per_even + 2 * steps)
    if spec.spatial is not None:
        filtering = spatial_layout(spec).words(spec.channels) + (spec.channels - 1 if spec.preprocess else 0)
        last_steps = [2 * (1 + _octaves_at(pair, spec)) - 1 for pair in range(pairs)]
        cycles += 2 * pairs * filtering - sum(min(filtering, steps) for steps in last_steps)
    return -(-cycles // period)


def _octaves_at(pair: int, spec: TokenizerSpec) -> int:
    """Octaves besides the first that have a step at this pair of samples."""
    return sum(pair % (1 << octave) == 0 for octave in range(1, spec.octaves))
