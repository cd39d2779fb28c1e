"""The engine's program does every layer of the decoder once, in memory that nobody else is using, in the cycles it says."""

import re
from dataclasses import replace
from math import prod

import pytest

from designs.layer_table import attention_sum, key_value_sum, linear_layer, linear_layers, macs_per_decision, streams, token_sum
from designs.number_format import INT8, UINT4
from designs.schema import Design, DesignError, SpatialSpec
from hw.plan.cycles import check_pace, pace, pass_cycles, plan_cycles, tokenizer_cycles
from hw.plan.engine import bias_format, engine_rows, lane_sum_bits, memory_map, passes, program, row_sum_bits, sum_bits
from hw.plan.passes import LANE, Kind, Pass, padded_outputs
from hw.rtl.emit import emit
from rtl_sim.backends import WINDOWED, with_backend
from rtl_sim.harness import simulate
from rtl_sim.harness_model import HarnessTop
from rtl_sim.random_parameters import random_parameters, random_samples

DESIGNS = [with_backend(name, "engine") for name in WINDOWED]
TINY, IMPLANT = with_backend("ind_tiny", "engine"), with_backend("ind_int4", "engine")


def sized(name: str, **sizes: int) -> Design:
    """ind_tiny with another network."""
    return replace(TINY, name=name, model=replace(TINY.model, **sizes))


ODD = [
    sized("two_layers", layers=2, hidden_dim=64, tokens=5, outputs=5),
    sized("long_window", layers=2, embed_dim=16, hidden_dim=32, tokens=11, outputs=3),
    sized("deep_state", embed_dim=40, hidden_dim=64, tokens=12),  # more words of state than 8 bits of address reach
    sized("many_outputs", outputs=301),  # the last group of rows goes past what 8 bits count
    sized("four_rows", embed_dim=12, hidden_dim=36, tokens=6, layers=2),
    sized("one_row", embed_dim=7, hidden_dim=11, tokens=9, outputs=2, layers=3),
]
each_design = pytest.mark.parametrize("design", [*DESIGNS, *ODD], ids=lambda design: design.name)


@each_design
def test_every_linear_layer_is_one_pass_of_its_sizes(design: Design) -> None:
    rows, found = engine_rows(design), {one.name: one for one in passes(design)}
    assert len(found) == len(passes(design))
    for layer in linear_layers(design):
        one = found.pop(layer.name)
        assert one.has_bias
        assert (one.steps, one.groups * rows) == (layer.inputs, padded_outputs(layer, rows))
        assert (one.source_format, one.out) == (layer.input, layer.out or layer.acc)
    others = [f"block{i}_{part}" for i in range(design.model.layers) for part in ("state", "attention")]
    assert list(found) == others + (["pool"] if design.model.pool == "mean" else [])
    assert not any(one.has_bias for one in found.values())


def products(one: Pass, design: Design) -> int:
    """Multiply-adds of a pass: embed works for the newest token alone, the readout and the state for one column of sums."""
    rows = engine_rows(design)
    if one.kind is Kind.OUTER:
        return one.groups * one.blocks * one.steps * rows * rows
    lanes = 1 if one.kind in (Kind.EMBED, Kind.READOUT) else design.model.tokens
    return one.groups * one.steps * rows * lanes


@each_design
def test_the_passes_do_every_multiply_add_of_the_decoder(design: Design) -> None:
    filled_up = sum(
        (padded_outputs(layer, engine_rows(design)) - layer.outputs) * layer.inputs for layer in linear_layers(design)
    )
    spec = design.tokenizer
    mixing = spec.token_samples * spec.channels * spec.bank_channels if spec.spatial else 0  # in front of the engine
    assert sum(products(one, design) for one in passes(design)) == macs_per_decision(design) - mixing + filled_up


@each_design
def test_what_is_written_to_the_stream_is_residual_and_in_order(design: Design) -> None:
    names = [one.name for one in passes(design)]
    parts = ("query", "key", "value", "state", "attention", "project", "expand", "contract")
    pool = ["pool"] if design.model.pool == "mean" else []
    assert names == ["embed", *(f"block{i}_{part}" for i in range(design.model.layers) for part in parts), *pool, "readout"]
    assert [one.name for one in passes(design) if one.residual] == [
        f"block{i}_{part}" for i in range(design.model.layers) for part in ("project", "contract")
    ]


def values(one: Pass, design: Design) -> int:
    """Results that a pass writes."""
    lanes = (
        1 if one.kind in (Kind.EMBED, Kind.POOL, Kind.READOUT) else engine_rows(design) if one.by_token else design.model.tokens
    )
    return one.groups * one.blocks * one.places * lanes


@each_design
def test_every_pass_writes_the_whole_of_its_stream(design: Design) -> None:
    sizes = {stream.name: prod(stream.shape) for stream in streams(design)}
    sizes |= {f"block{i}_state": design.model.embed_dim**2 for i in range(design.model.layers)}
    sizes["readout"] = padded_outputs(linear_layer(design, "readout"), engine_rows(design))
    assert {one.name: values(one, design) for one in passes(design)} == {one.name: sizes[one.name] for one in passes(design)}


def written(one: Pass, design: Design) -> set[tuple[str, int]]:
    """Words of (memory, address) that a pass leaves; embed leaves window and history."""
    at, dim = memory_map(design), design.model.embed_dim
    if one.kind is Kind.READOUT:
        return set()
    words = range(one.dest, one.dest + one.groups * one.blocks * one.places)
    found = {("second" if one.to_second else "first", word) for word in words}
    return found | {("first", word) for word in range(at.stream, at.stream + dim)} if one.kind is Kind.EMBED else found


def read(one: Pass, design: Design) -> set[tuple[str, int]]:
    """Words of (memory, address) that a pass needs."""
    rows, dim, at = engine_rows(design), design.model.embed_dim, memory_map(design)
    if one.kind is Kind.EMBED:
        return {("first", word) for word in range(at.history, at.history + dim)}
    columns = dim if one.kind is Kind.POOL or one.lane_by_lane else one.steps * (one.groups if one.kind is Kind.OUTER else 1)
    found = {("first", word) for word in range(one.source, one.source + columns)}
    if one.residual:
        found |= written(one, design)
    if one.kind in (Kind.OUTER, Kind.ATTEND):
        blocks = dim // rows if one.kind is Kind.OUTER else one.groups
        found |= {("second", word) for word in range(one.second, one.second + blocks * one.steps)}
    return found


@each_design
def test_nothing_is_overwritten_before_its_last_reader(design: Design) -> None:
    """Every word that a pass reads was left there by the pass that the decoder's figure names."""
    left: dict[tuple[str, int], str] = {word: "embed" for word in read(passes(design)[0], design)}
    stream = "embed"
    for one in passes(design):
        block, _, part = one.name.rpartition("_")
        sources = {
            "embed": {"embed"},
            "query": {stream},
            "key": {stream},
            "value": {stream},
            "state": {f"{block}_key", f"{block}_value"},
            "attention": {f"{block}_query", f"{block}_state"},
            "project": {f"{block}_attention", stream},
            "expand": {stream},
            "contract": {f"{block}_expand", stream},
            "pool": {stream},
            "readout": {"pool" if design.model.pool == "mean" else stream},
        }[part]
        assert {left.get(word) for word in read(one, design)} == sources, one.name
        left |= dict.fromkeys(written(one, design), one.name)
        stream = one.name if one.residual else stream


@each_design
def test_the_history_of_embeddings_is_kept_and_everything_fits(design: Design) -> None:
    at, embed = memory_map(design), passes(design)[0]
    history = {("first", word) for word in range(at.history, at.history + design.model.embed_dim)}
    assert history <= written(embed, design)
    for one in passes(design)[1:]:
        assert not written(one, design) & history, one.name
        for memory, word in written(one, design) | read(one, design):
            assert 0 <= word < (at.depth if memory == "first" else at.second_depth)


@each_design
def test_every_value_fits_its_place_and_every_sum_its_register(design: Design) -> None:
    for one in passes(design):
        assert one.source_format.bits <= LANE.bits
        assert one.kind is Kind.READOUT or one.out.bits <= LANE.bits
    formats = [layer.acc for layer in linear_layers(design)]
    formats += [key_value_sum(design), attention_sum(design), token_sum(design)]
    assert sum_bits(design) == max(format.bits for format in formats)
    widths = {layer.name: layer.acc.bits for layer in linear_layers(design)} | {"pool": 0}
    for one in passes(design):
        needed = widths.get(one.name, key_value_sum(design).bits if one.kind is Kind.OUTER else attention_sum(design).bits)
        used = {Kind.EMBED: one.groups, Kind.READOUT: 1}.get(one.kind, design.model.tokens)
        assert needed <= min(lane_sum_bits(design)[:used]), one.name
        assert not one.by_token or needed <= row_sum_bits(design), one.name
    assert all(layer.bias.bits <= bias_format(design).bits for layer in linear_layers(design))


def test_the_program_has_the_shifts_of_the_parameters() -> None:
    parameters = random_parameters(TINY, seed=3)
    found = {one.name: one.shift for one in program(parameters)}
    expected = {name: layer.shift for name, layer in parameters.linear.items()}
    expected |= {"block0_state": parameters.attention[0].state, "block0_attention": parameters.attention[0].out}
    assert found == expected | {"pool": parameters.mean_shift}
    assert tuple(replace(one, shift=0) for one in program(parameters)) == passes(TINY)


def test_the_tiny_engine_by_hand() -> None:
    """4 rows; 8 dims are 2 groups; the second memory has a word of 4 values per token and group, then the state's 8 x 2."""
    at = memory_map(TINY)
    assert (engine_rows(TINY), at.stream, at.query, at.attention, at.hidden) == (4, 0, 8, 16, 8)
    assert (at.key, at.history, at.depth) == (24, 32, 40)
    assert (at.value, at.state, at.second_depth) == (0, 8, 24)
    found = {one.name: one for one in passes(TINY)}
    assert (found["embed"].steps, found["embed"].groups, found["embed"].places) == (16, 2, 4)
    assert (found["block0_key"].dest, found["block0_key"].places, found["block0_key"].by_token) == (24, 4, True)
    assert (found["block0_state"].blocks, found["block0_state"].out, found["block0_state"].source_format) == (2, INT8, UINT4)


@pytest.mark.parametrize(
    ("sizes", "rows"),
    [
        ({}, 8),
        ({"embed_dim": 28, "tokens": 7}, 4),
        ({"tokens": 4, "embed_dim": 16}, 4),
        ({"embed_dim": 12, "hidden_dim": 24, "tokens": 20}, 4),
        ({"embed_dim": 10, "hidden_dim": 4, "tokens": 20}, 2),
        ({"embed_dim": 9, "hidden_dim": 5, "tokens": 9}, 1),
    ],
)
def test_rows_are_as_many_as_divide_the_network(sizes: dict[str, int], rows: int) -> None:
    assert engine_rows(replace(IMPLANT, model=replace(IMPLANT.model, **sizes))) == rows


def test_a_network_that_the_engine_cannot_embed_is_refused() -> None:
    design = replace(IMPLANT, model=replace(IMPLANT.model, embed_dim=33, tokens=10))
    expected = (
        "ind_int4: the engine embeds a token in embed_dim / rows steps side by side, and embed_dim=33, hidden_dim=64, "
        "tokens=10 allow no number of rows; use backend='amaranth'"
    )
    with pytest.raises(DesignError, match=f"^{re.escape(expected)}$"):
        engine_rows(design)


def test_cycles_of_passes_by_hand() -> None:
    """Two cycles to begin; a cycle per step, two to settle, a cycle per written word; where it is added to, one and two.

    Steps of the state's 8 bits take two cycles, for the multipliers are of 4-bit weights.
    """
    found = {one.name: pass_cycles(one, TINY) for one in passes(TINY)}
    assert found["block0_query"] == 2 + 2 * (8 + 2 + 4)
    assert found["block0_state"] == 2 + 2 * 2 * (4 + 2 + 4)
    assert found["block0_attention"] == 2 + 2 * (2 * 8 + 2 + 4)
    assert found["block0_contract"] == 2 + 2 * (16 + 1 + 2 * 4)
    assert found["pool"] == 2 + 2 * 8
    # the first of 16 features waits for the second group's biases, a word, and its weights, read again; the others take both
    # groups at once; 3 parts for 8 dims
    assert found["embed"] == 2 + (1 + 3) + 15 + 3 * 8


def test_the_stages_of_an_engine_are_its_passes() -> None:
    cycles = plan_cycles(IMPLANT)
    assert list(cycles) == ["tokenizer", *(one.name for one in passes(IMPLANT))]
    assert cycles["tokenizer"] == tokenizer_cycles(IMPLANT.tokenizer) == 4680
    assert pace(IMPLANT) == sum(cycles.values()) - 4680 == 4878
    assert pace(TINY) == tokenizer_cycles(TINY.tokenizer) == 912


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_every_named_design_keeps_up_with_its_samples(design: Design) -> None:
    assert pace(design) <= design.hardware.clock_khz * design.tokenizer.token_ms


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_the_clock_that_a_refusal_names_is_the_lowest_that_keeps_up(design: Design) -> None:
    def at(clock_khz: int) -> Design:  # stage_cycles are of pipelines
        return replace(design, hardware=replace(design.hardware, clock_khz=clock_khz, stage_cycles=1))

    lowest = -(-pace(design) // design.tokenizer.token_ms)
    check_pace(at(lowest))
    with pytest.raises(DesignError, match=rf" {pace(design)} cycles per decision, .*; use clock_khz={lowest} or more$"):
        check_pace(at(lowest - 1))


def test_a_clock_that_suits_the_wavelets_may_be_too_slow_for_the_spatial_filter_in_front() -> None:
    tokenizer = replace(IMPLANT.tokenizer, channels=64)
    mixed = replace(tokenizer, spatial=SpatialSpec(24))
    hardware = replace(IMPLANT.hardware, clock_khz=100, backend="amaranth")
    check_pace(replace(IMPLANT, tokenizer=replace(tokenizer, channels=24), hardware=hardware))
    with pytest.raises(DesignError) as caught:
        check_pace(replace(IMPLANT, tokenizer=mixed, hardware=hardware))
    needed = tokenizer_cycles(mixed)
    assert needed > 64 * 3 * mixed.token_samples
    assert str(caught.value) == (
        f"ind_int4: spatial filter and wavelets take {needed} cycles per decision, but clock_khz=100 gives 10000; use "
        f"clock_khz={-(-needed // 100)} or more"
    )


@pytest.mark.verilator
@pytest.mark.parametrize("design", [*ODD, IMPLANT], ids=lambda design: design.name)
def test_decisions_follow_each_other_at_the_planned_pace(design: Design, tmp_path) -> None:
    parameters = random_parameters(design, seed=5)
    verilog, *_ = emit(design, parameters, tmp_path)
    top = HarnessTop(files=(verilog,), taps=(), optimise="-O0")
    samples = random_samples(design, tokens=design.model.tokens + 5, seed=6)
    result = simulate([], design, parameters, [samples], tmp_path / "harness", top=top)
    assert result.passed
    assert result.cycles_per_decision == pace(design) > tokenizer_cycles(design.tokenizer)
