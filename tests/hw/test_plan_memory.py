"""Regions hold every parameter exactly once, and a load frame says it all."""

import re
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest

from designs.catalogue import CATALOGUE
from designs.layer_table import linear_layer, linear_layers, parameters
from designs.number_format import IntFormat
from designs.schema import Design, DesignError, PreprocessSpec, SpatialSpec
from hw.plan.engine import Cut, bias_cut, bias_format, embed_groups, engine_rows, position_cut, weight_pack
from hw.plan.folding import Folding, fold
from hw.plan.memory import find_region, load_frame, load_frames, load_words, readout_words, regions
from hw.plan.passes import padded_outputs
from hw.plan.spatial import spatial_layout
from quant.golden.parameters import AttentionShifts, IntegerParameters, LinearParameters, PreprocessParameters
from rtl_sim.backends import WINDOWED, with_backend

IMPLANT = with_backend("ind_int4", "amaranth")
PIPELINES = [with_backend(name, "amaranth") for name in WINDOWED]
ENGINES = [with_backend(name, "engine") for name in WINDOWED]


def each(*designs: Design) -> pytest.MarkDecorator:
    """The test, for each of the designs."""
    return pytest.mark.parametrize("design", designs, ids=lambda design: f"{design.name}-{design.hardware.backend}")


def random_integers(design: Design, seed: int) -> IntegerParameters:
    """Every format filled from its least to its largest value."""
    rng, spec, model = np.random.default_rng(seed), design.tokenizer, design.model

    def draw(format, *shape):
        values = rng.integers(format.min, format.max, endpoint=True, size=shape)
        values.flat[:2] = format.min, format.max
        return values

    layers = {
        layer.name: LinearParameters(draw(layer.weight, layer.outputs, layer.inputs), draw(layer.bias, layer.outputs), 3)
        for layer in linear_layers(design)
    }
    shifts = rng.integers(0, spec.bank.token_shift.max, (spec.bank_channels, spec.wavelets), endpoint=True)
    spatial = draw(spec.spatial.weight, spec.bank_channels, spec.channels) if spec.spatial else None
    position = draw(design.quant.stream, model.tokens, model.embed_dim)
    attention = (AttentionShifts(4, 5),) * model.layers
    gains = PreprocessParameters(rng.integers(-8, 9, spec.channels), rng.integers(0, 2, spec.channels))
    return IntegerParameters(
        design,
        shifts,
        layers,
        position,
        attention,
        model.mean_shift,
        1.0,
        spatial_weight=spatial,
        preprocess=gains if spec.preprocess else None,
    )


def preprocessed(design: Design) -> Design:
    """The design with preprocessing in front."""
    return replace(design, tokenizer=replace(design.tokenizer, preprocess=PreprocessSpec(drift_bits=8, dead_after=1200)))


def signed(word: int, place: int, bits: int) -> int:
    value = word >> (place * bits) & ((1 << bits) - 1)
    return value - (1 << bits) if value >> (bits - 1) else value


def joined(pieces: list[int], cut: Cut) -> int:
    """The vector that was cut."""
    assert all(0 <= piece < 1 << cut.width <= 1 << 64 for piece in pieces) and len(pieces) == cut.pieces
    return sum(piece << number * cut.width for number, piece in enumerate(pieces))


@each(*PIPELINES)
def test_words_hold_every_weight_where_the_core_expects_it(design: Design) -> None:
    integers, folding = random_integers(design, seed=1), fold(design)
    words = load_words(integers, folding)
    for layer in linear_layers(design):
        pe, simd = folding[layer.name].pe, folding[layer.name].simd
        weight, bias = integers.linear[layer.name].weight, integers.linear[layer.name].bias
        for row in range(layer.outputs):
            for column in range(layer.inputs):
                word = words[f"{layer.name}_weight"][row // pe * (layer.inputs // simd) + column // simd]
                assert signed(word, row % pe * simd + column % simd, layer.weight.bits) == weight[row, column]
            assert signed(words[f"{layer.name}_bias"][row], 0, layer.bias.bits) == bias[row]


def engine_words(integers: IntegerParameters) -> dict[str, list[int]]:
    """The engine's words by layer: the region `readout` holds the last layer's weights and then its biases."""
    words = load_words(integers, {})
    readout, weights = words.pop("readout"), readout_words(integers.design)
    return words | {"readout_weight": readout[:weights], "readout_bias": readout[weights:]}


@each(*ENGINES)
def test_words_hold_every_weight_where_the_engine_expects_it(design: Design) -> None:
    integers, rows, side = random_integers(design, seed=1), engine_rows(design), embed_groups(design)
    pack, cut = weight_pack(design), bias_cut(design)
    words = engine_words(integers)
    for layer in linear_layers(design):
        weight, bias = integers.linear[layer.name].weight, integers.linear[layer.name].bias
        groups = padded_outputs(layer, rows) // rows
        for row in range(layer.outputs):
            group, place = divmod(row, rows)
            for column in range(layer.inputs):
                step, at = group * layer.inputs + column, place
                if layer.name == "embed":  # feature after feature, each for all groups, `side` groups in a word
                    step, at = (column * groups + group) // side * pack, group % side * rows + place
                if layer.name == "readout" and design.model.pool == "none":  # dim after dim, in each token after token
                    token, dim = divmod(column, design.model.embed_dim)
                    step = group * layer.inputs + dim * design.model.tokens + token
                address, later = divmod(step, pack)
                assert (
                    signed(words[f"{layer.name}_weight"][address], later * rows + at, layer.weight.bits) == weight[row, column]
                )
            pieces = words[f"{layer.name}_bias"][group * cut.pieces : (group + 1) * cut.pieces]
            assert signed(joined(pieces, cut), place, bias_format(design).bits) == bias[row]


def test_outputs_beyond_the_layers_have_no_weight_and_no_bias() -> None:
    design = with_backend("ind_int4", "engine")
    words, readout = engine_words(random_integers(design, seed=1)), linear_layer(design, "readout")
    assert (readout.outputs, engine_rows(design)) == (4, 8)
    assert (len(words["readout_weight"]), weight_pack(design)) == (readout.inputs // 2, 2)
    assert all(word >> 16 & 0xFFFF == word >> 48 == 0 for word in words["readout_weight"])
    assert joined(words["readout_bias"], bias_cut(design)) < 1 << 4 * bias_format(design).bits


def test_the_engines_words_by_hand() -> None:
    design = with_backend("ind_tiny", "engine")
    integers = random_integers(design, seed=2)
    words, embed = load_words(integers, {}), integers.linear["embed"].weight
    query, position = integers.linear["block0_query"].weight, integers.position
    assert (engine_rows(design), weight_pack(design), position_cut(design)) == (4, 2, Cut(32))
    assert [signed(words["embed_weight"][5], place, 4) for place in range(8)] == embed[:, 5].tolist()
    assert [signed(words["block0_query_weight"][(1 * 8 + 6) // 2], place, 4) for place in range(4)] == query[4:8, 6].tolist()
    assert [signed(words["block0_query_weight"][(1 * 8 + 7) // 2], 4 + place, 4) for place in range(4)] == query[
        4:8, 7
    ].tolist()
    assert [signed(words["position"][3], place, 8) for place in range(4)] == position[:, 3].tolist()


def test_the_regions_of_one_memory_follow_each_other() -> None:
    names = [region.name for region in regions(with_backend("ind_tiny", "engine"), {})]
    layers = ["embed", *(f"block0_{name}" for name in ("query", "key", "value", "project", "expand", "contract"))]
    weights, biases = ([f"{layer}_{kind}" for layer in layers] for kind in ("weight", "bias"))
    assert names == ["token_shift", *weights, *biases, "position", "readout"]


def test_words_of_a_layer_folded_both_ways() -> None:
    design = PIPELINES[0]
    integers, folding = random_integers(design, seed=2), fold(design) | {"embed": Folding(2, 4)}
    words, weight = load_words(integers, folding)["embed_weight"], integers.linear["embed"].weight
    assert len(words) == find_region(design, folding, "embed_weight").depth == 8 * 16 // 8
    assert [signed(words[1 * 4 + 3], place, 4) for place in range(8)] == [*weight[2, 12:16], *weight[3, 12:16]]


@each(*(design for design in (*PIPELINES, *ENGINES) if not design.tokenizer.ready))
def test_words_hold_shifts(design: Design) -> None:
    integers, spec = random_integers(design, seed=3), design.tokenizer
    words = load_words(integers, fold(design))
    for channel in range(spec.bank_channels):
        for wavelet in range(spec.wavelets):
            octave, place = divmod(wavelet, spec.wavelets_per_octave)
            word = words["token_shift"][channel * spec.octaves + octave]
            shift = spec.bank.token_shift
            assert word >> (shift.bits * place) & shift.max == integers.token_shift[channel, wavelet]


@pytest.mark.parametrize(("virtual", "bits", "lanes", "groups"), [(4, 8, 4, 1), (9, 8, 5, 2), (24, 8, 8, 3), (17, 7, 9, 2)])
def test_spatial_weights_lie_sample_by_sample_as_many_as_fit_a_word(virtual: int, bits: int, lanes: int, groups: int) -> None:
    spatial = SpatialSpec(virtual, IntFormat(bits))
    spec = replace(IMPLANT.tokenizer, channels=12, spatial=spatial)
    weight = np.random.default_rng(1).integers(spatial.weight.min, spatial.weight.max, (virtual, 12), endpoint=True)
    design = replace(IMPLANT, tokenizer=spec)
    integers = replace(random_integers(design, seed=1), spatial_weight=weight)
    assert (spatial_layout(spec).lanes, spatial_layout(spec).groups) == (lanes, groups)
    region, words = find_region(design, fold(design), "spatial_weight"), load_words(integers, fold(design))["spatial_weight"]
    assert (region.depth, region.width) == (12 * groups, lanes * bits) and region.width <= 64
    for channel in range(12):
        for row in range(lanes * groups):
            group, lane = divmod(row, lanes)
            expected = weight[row, channel] if row < virtual else 0
            assert signed(words[channel * groups + group], lane, bits) == expected


@each(PIPELINES[0], ENGINES[0], ENGINES[2])
def test_a_design_that_preprocesses_has_one_more_region(design: Design) -> None:
    front, folding = preprocessed(design), fold(design)
    *others, last = regions(front, folding)
    assert tuple(others) == regions(design, folding)
    assert (last.name, last.index, last.depth, last.width) == ("preprocess", len(others), design.tokenizer.channels, 6)
    plain, words = load_words(random_integers(design, seed=3), folding), load_words(random_integers(front, seed=3), folding)
    assert words | {"preprocess": None} == plain | {"preprocess": None}
    assert load_frames(random_integers(front, seed=3), folding).startswith(
        load_frames(random_integers(design, seed=3), folding)
    )


def test_words_hold_gains_as_right_shifts_and_masks() -> None:
    design = preprocessed(ENGINES[0])
    gains = PreprocessParameters(np.array([-8, 0, 3, 8]), np.array([0, 1, 0, 1]))
    words = load_words(replace(random_integers(design, seed=1), preprocess=gains), {})["preprocess"]
    assert words == [16, 8 + 32, 5, 32]


@each(*PIPELINES)
def test_words_hold_positions_token_by_token(design: Design) -> None:
    integers = random_integers(design, seed=3)
    words = load_words(integers, fold(design))["position"]
    assert [signed(word, 0, design.quant.stream.bits) for word in words] == integers.position.ravel().tolist()


@each(*ENGINES)
def test_words_hold_positions_packed_column_by_column(design: Design) -> None:
    integers, cut = random_integers(design, seed=3), position_cut(design)
    words, tokens, bits = load_words(integers, {})["position"], design.model.tokens, design.quant.stream.bits
    columns = [joined(words[start : start + cut.pieces], cut) for start in range(0, len(words), cut.pieces)]
    assert [[signed(column, token, bits) for token in range(tokens)] for column in columns] == integers.position.T.tolist()


@pytest.mark.parametrize(("bits", "pieces", "width"), [(32, 1, 32), (64, 1, 64), (65, 2, 33), (80, 2, 40), (168, 3, 56)])
def test_vectors_are_cut_into_the_fewest_words_of_equal_width(bits: int, pieces: int, width: int) -> None:
    assert (Cut(bits).pieces, Cut(bits).width) == (pieces, width)


def test_steps_share_words_only_where_every_layer_comes_out_even() -> None:
    assert weight_pack(IMPLANT) == embed_groups(IMPLANT) == 2
    odd = replace(IMPLANT, model=replace(IMPLANT.model, embed_dim=2, hidden_dim=11, tokens=3))
    assert (engine_rows(odd), embed_groups(odd), weight_pack(odd)) == (1, 2, 1)


def filled_up(design: Design) -> int:
    """Zeros among the engine's weights and biases: outputs up to whole groups of rows."""
    if design.hardware.backend != "engine":
        return 0
    return sum((-layer.outputs % engine_rows(design)) * (layer.inputs + 1) for layer in linear_layers(design))


@each(*PIPELINES, *ENGINES)
def test_regions_are_numbered_and_hold_all_parameters_and_nothing_else(design: Design) -> None:
    found = regions(design, fold(design))
    words = load_words(random_integers(design, seed=4), fold(design))
    banks = {region.name: region.bank for region in found if region.bank is not None}
    tokenizer = set() if design.tokenizer.ready else {"token_shift"}
    gains = {"preprocess"} if design.tokenizer.preprocess else set()
    assert banks.keys() == tokenizer | gains | ({"readout"} if design.hardware.backend == "engine" else set())
    assert len({*banks.values()}) == len(banks)
    assert [region.index for region in found] == list(range(len(found)))
    assert list(words) == [region.name for region in found]
    for region in found:
        assert len(words[region.name]) == region.depth
        assert max(words[region.name]) < 1 << region.width <= 1 << 64
    folding, weights = fold(design), [layer.weight.bits for layer in linear_layers(design)]
    bits = {"spatial_weight": design.tokenizer.spatial.weight.bits if design.tokenizer.spatial else 0}
    values = sum(region.bits // bits.get(region.name, weights[0]) for region in found if region.name.endswith("_weight"))
    engine, biases = design.hardware.backend == "engine", sum(r.depth for r in found if r.name.endswith("_bias"))
    if engine:
        last, rows = linear_layer(design, "readout"), engine_rows(design)
        values += padded_outputs(last, rows) * last.inputs
        biases += find_region(design, folding, "readout").depth - readout_words(design)
    values += biases * engine_rows(design) // bias_cut(design).pieces if engine else biases
    values += (
        design.model.tokens
        * find_region(design, folding, "position").depth
        // (position_cut(design).pieces if engine else design.model.tokens)
    )
    assert values == parameters(design) + filled_up(design)
    shifts = sum(region.bits for region in found if region.name == "token_shift")
    assert shifts == (0 if design.tokenizer.ready else design.tokenizer.features * design.tokenizer.bank.token_shift.bits)


@each(PIPELINES[0], ENGINES[0])
def test_frames_are_start_region_words_and_checksum(design: Design) -> None:
    integers, folding = random_integers(design, seed=5), fold(design)
    data, words = load_frames(integers, folding), load_words(integers, folding)
    for region in regions(design, folding):
        frame, data = data[: region.frame_bytes], data[region.frame_bytes :]
        assert frame[:2] == bytes([0xA5, region.index])
        size = -(-region.width // 8)
        payload = frame[2:-4]
        found = [int.from_bytes(payload[i : i + size], "little") for i in range(0, len(payload), size)]
        assert found == words[region.name]
        assert int.from_bytes(frame[-4:], "little") == crc32(frame[1:-4])
    assert data == b""


def test_a_frame_in_bytes() -> None:
    region = regions(CATALOGUE["ind_tiny"], fold(CATALOGUE["ind_tiny"]))[0]
    frame = load_frame(region, list(range(16)))
    assert frame.hex() == "a500000102030405060708090a0b0c0d0e0f" + crc32(bytes([0, *range(16)])).to_bytes(4, "little").hex()


@pytest.mark.parametrize(
    ("design", "message"),
    [
        (
            replace(
                IMPLANT,
                tokenizer=replace(IMPLANT.tokenizer, wavelets=85),
                hardware=replace(IMPLANT.hardware, stage_cycles=6800),
            ),
            "ind_int4: region 0 of the load port, token_shift, has 160 words of 68 bits; use at most 256 regions of at most "
            "65536 words of 64 bits",
        ),
        (
            replace(IMPLANT, model=replace(IMPLANT.model, layers=22)),
            "ind_int4: region 256 of the load port, block21_query_weight, has 512 words of 8 bits; use at most 256 regions",
        ),
    ],
)
def test_a_memory_too_large_for_the_load_port_is_refused(design: Design, message: str) -> None:
    with pytest.raises(DesignError, match=re.escape(message)):
        regions(design, {name: Folding(2) for name in fold(design)} | {"embed": Folding(2)})
