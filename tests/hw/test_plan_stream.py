"""The program of a decoder whose states run on: every layer once per token, states where nobody else writes, cycles as said."""

from dataclasses import replace
from math import prod

import pytest

from designs.catalogue import CATALOGUE
from designs.layer_table import attention_sum, key_value_sum, linear_layer, linear_layers, macs_per_decision, streams, token_sum
from designs.schema import Design
from hw.plan.cycles import check_pace, pace, plan_cycles
from hw.plan.engine import engine_rows, lane_sum_bits, operand_bits, passes, program, row_sum_bits, sum_bits
from hw.plan.passes import Kind, padded_outputs
from hw.plan.stream_program import stream_map
from rtl_sim.random_parameters import random_parameters
from rtl_sim.small_designs import SMALL

IMPLANT = CATALOGUE["ind_stream_int4"]
DESIGNS = [IMPLANT, *(design for design in SMALL.values() if design.model.streaming)]
each_design = pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)


@each_design
def test_every_layer_and_state_is_one_pass(design: Design) -> None:
    rows, found = engine_rows(design), {one.name: one for one in passes(design)}
    assert len(found) == len(passes(design))
    for layer in linear_layers(design):
        one = found.pop(layer.name)
        assert one.has_bias and (one.steps, one.groups * rows) == (layer.inputs, padded_outputs(layer, rows))
        assert (one.source_format, one.out) == (layer.input, layer.out or layer.acc)
    others = [f"block{i}_{part}" for i in range(design.model.layers) for part in ("state", "attention")]
    assert sorted(found) == sorted([*others, "tokens", "pool"])


@each_design
def test_multiplications_are_those_of_the_layer_table(design: Design) -> None:
    rows, done = engine_rows(design), 0
    for one in passes(design):
        if one.kind in (Kind.LINEAR, Kind.READOUT, Kind.ATTEND, Kind.LEAK):
            done += one.steps * one.groups * one.blocks * rows
    readout = linear_layer(design, "readout")
    assert done - (padded_outputs(readout, rows) - readout.outputs) * readout.inputs == macs_per_decision(design)


@each_design
def test_what_runs_on_is_written_by_its_own_pass_alone(design: Design) -> None:
    rows, dim = engine_rows(design), design.model.embed_dim
    at, written = stream_map(design, rows), {False: set(), True: set()}  # type: ignore[var-annotated]
    for one in passes(design):
        if one.kind is Kind.READOUT:
            continue
        words = set(range(one.dest, one.dest + (one.steps if one.kind is Kind.TAKE else one.groups * one.blocks * one.places)))
        if one.name.endswith("_value"):
            assert max(words) < at.value_words
            continue
        assert max(words) < (at.second_depth if one.to_second else at.depth)
        if one.name == "pool" or one.kind is Kind.LEAK:
            assert not words & written[one.to_second], one.name
            assert len(words) == (dim if one.name == "pool" else dim * dim // rows)
        written[one.to_second] |= words
    kept = set(range(at.pool, at.pool + dim))
    assert not kept & {at.stream, at.query, at.attention, at.key}


@each_design
def test_every_sum_fits_its_width(design: Design) -> None:
    acc = [layer.acc.bits for layer in linear_layers(design)]
    assert lane_sum_bits(design) == (max(*acc, key_value_sum(design).bits, attention_sum(design).bits),)
    assert sum_bits(design) >= token_sum(design).bits
    assert row_sum_bits(design) >= max(key_value_sum(design).bits, linear_layer(design, "block0_value").acc.bits)


@each_design
def test_operands_hold_what_the_leaks_need(design: Design) -> None:
    own, halves = operand_bits(design)[0], 4 if operand_bits(design)[1] == 4 else 0
    for one in program(random_parameters(design, seed=2)):
        if one.kind is Kind.LEAK:
            assert 3 << one.leak.kept << halves < 1 << own - 1
            assert design.quant.activation.unsigned().max << one.leak.added < 1 << own - 1


def test_the_implants_numbers() -> None:
    cycles = plan_cycles(IMPLANT)
    assert (cycles["tokens"], cycles["embed"], cycles["block0_state"], cycles["pool"]) == (322, 1322, 770, 98)
    assert pace(IMPLANT) == 6610
    assert operand_bits(IMPLANT) == (9, 4)
    assert stream_map(IMPLANT, 8).depth == 480 and stream_map(IMPLANT, 8).second_depth == 256
    assert sum(prod(stream.shape) for stream in streams(IMPLANT)) == 3077
    check_pace(replace(IMPLANT, hardware=replace(IMPLANT.hardware, clock_khz=80)))
