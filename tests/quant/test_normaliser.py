"""Normalised attention: its integers against big integers, 64-bit floats against both, and QONNX's execution of the graph."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_decoders import DESIGNS, TINY, random_decoder, token_shift, windows

from designs.layer_table import attention_sum, attention_weight, key_sum
from designs.number_format import INT8, IntFormat
from designs.schema import DesignError, QuantSpec
from quant.calibrate import keep_shifts_in_range, shifts
from quant.check_export import check_export
from quant.export_qonnx import export_qonnx
from quant.golden import exactness
from quant.golden.exactness import division_beyond_float64, first_mismatch, layers_beyond_float32
from quant.golden.linear_attention import linear_attention
from quant.golden.normaliser import normalised, power_above
from quant.golden.parameters import AttentionShifts, ParameterError
from quant.golden.read_qonnx import read_qonnx
from quant.quant_normaliser import QuantNormaliser
from quant.quantizers import range_log2

NORMALISERS = ("shift", "divide")
WEIGHT_MAX, SUM = attention_weight(DESIGNS["divide_int8"]).max, attention_sum(DESIGNS["divide_int8"])


def by_definition(numerator: int, weight: int, shift: int, normaliser: str, out: IntFormat) -> int:
    """In Python's integers and fractions, word for word."""
    divisor = max(weight, 1)
    if normaliser == "shift":
        divisor = 1 << (divisor - 1).bit_length()
    quotient = Fraction(numerator << shift, divisor)
    return min(max(math.floor(quotient + Fraction(1, 2)), out.min), out.max)


def integers(fmt: IntFormat) -> st.SearchStrategy[int]:
    return st.one_of(st.integers(fmt.min, fmt.max), st.integers(-9, 9).filter(lambda value: fmt.min <= value))


@pytest.mark.parametrize("variant", ["shift", "shift_int8", "divide", "divide_int8"])
@given(st.lists(st.tuples(integers(SUM), st.integers(0, WEIGHT_MAX)), min_size=1, max_size=30), st.integers(0, 31))
def test_quotients_are_exact_fractions_rounded_half_up_then_saturated(variant, pairs, shift):
    design = DESIGNS[variant]
    numerator, weight = (np.array(side)[:, None] for side in zip(*pairs, strict=True))
    expected = [by_definition(a, b, shift, design.model.normaliser, design.quant.stream) for a, b in pairs]
    assert normalised(numerator, weight, shift, design)[:, 0].tolist() == expected


@given(st.lists(st.integers(0, 2**50), min_size=1, max_size=20))
def test_a_weight_is_rounded_up_to_the_next_power_of_two(weights):
    expected = [(weight - 1).bit_length() if weight else 0 for weight in weights]
    assert power_above(np.array(weights)).tolist() == expected
    assert power_above(2 ** np.arange(60)).tolist() == list(range(60))


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(0, 7), st.integers(0, 12))
def test_attention_is_its_definition_token_by_token(seed, state_shift, numerator_shift):
    rng = np.random.default_rng(seed)
    shifts = AttentionShifts(state_shift, 0, numerator_shift)
    for normaliser in NORMALISERS:
        design = DESIGNS[normaliser]
        query, key = (rng.integers(0, 16, (4, 8)) * rng.integers(0, 2, (4, 8)) for _ in range(2))
        value = rng.integers(-8, 8, (4, 8))
        found = linear_attention(query, key, value, shifts, design)
        total = [sum(int(k) for k in key[:, i]) for i in range(8)]
        for t, j in np.ndindex(4, 8):
            state = [sum(int(key[s, i]) * int(value[s, j]) for s in range(4)) for i in range(8)]
            state = [min(max(math.floor(Fraction(x, 1 << state_shift) + Fraction(1, 2)), -128), 127) for x in state]
            numerator = sum(int(query[t, i]) * state[i] for i in range(8))
            weight = sum(int(query[t, i]) * total[i] for i in range(8))
            assert found[t, j] == by_definition(numerator, weight, numerator_shift, normaliser, INT8)
            assert weight or not numerator


@pytest.mark.parametrize("variant", DESIGNS)
def test_the_formats_of_weights_hold_their_extremes_and_are_the_narrowest(variant):
    design = DESIGNS[variant]
    tokens, dim, unsigned = design.model.tokens, design.model.embed_dim, design.quant.activation.unsigned()
    key = np.full((tokens, dim), unsigned.max)
    assert key_sum(design).max >= key.sum(axis=0).max() > key_sum(design).max // 2
    assert attention_weight(design).max >= int((key @ key.sum(axis=0)).max()) > attention_weight(design).max // 2


@pytest.mark.parametrize("variant", ["shift", "shift_int8", "divide", "divide_int8"])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), exponents=st.tuples(*[st.integers(-12, 4)] * 3), shift=st.integers(0, 12))
def test_64_bit_floats_give_the_integers_at_any_scales(variant, seed, exponents, shift):
    design, rng = DESIGNS[variant], np.random.default_rng(seed)
    tokens, dim, unsigned, stream = design.model.tokens, design.model.embed_dim, design.quant.activation, design.quant.stream
    most = int(rng.integers(1, unsigned.unsigned().max + 1))
    query, key = (rng.integers(0, most + 1, (20, tokens, dim)) * (rng.random((20, tokens, dim)) < 0.4) for _ in range(2))
    state = rng.integers(stream.min, stream.max + 1, (20, dim, dim)) * (key.sum(axis=1)[..., None] > 0)
    q, k, s = exponents
    out = s - k + design.model.mean_shift - shift
    values = (torch.from_numpy(x * 2.0**e).float() for x, e in ((query, q), (key, k), (state, s)))
    found = QuantNormaliser(design).eval()(*values, 2.0 ** (q + k), 2.0**out).double() / 2.0**out
    weight = query @ key.sum(axis=1)[..., None]
    expected = normalised(query @ state, weight, shift, design)
    assert np.array_equal(found.clamp(stream.min, stream.max).numpy(), expected)


@pytest.mark.parametrize("variant", ["shift", "divide"])
def test_only_training_sees_what_rounding_loses(variant):
    normaliser, draw = QuantNormaliser(DESIGNS[variant]), torch.Generator().manual_seed(0)
    query, key = (torch.randint(0, 16, (5, 4, 8), generator=draw).float() for _ in range(2))
    state = torch.randint(-128, 128, (5, 8, 8), generator=draw).float()
    exact, whole = (normaliser.train(training)(query, key, state, 1.0, 0.25) / 0.25 for training in (True, False))
    assert torch.equal(whole, torch.floor(exact + 0.5)) and (whole != exact).float().mean() > 0.5


@given(st.integers(1, WEIGHT_MAX), st.integers(-129, 128), st.integers(-1, 1))
def test_64_bit_floats_round_next_to_ties_as_integers_do(divisor, below, step):
    """The hardest quotients: a tie, or as near to one as an integer numerator gets."""
    numerator = ((2 * below + 1) * divisor + step) // 2
    exact = (2 * numerator + divisor) // (2 * divisor)
    assert math.floor(numerator / divisor + 0.5) == exact


def test_divisors_too_wide_for_64_bit_floats_are_refused():
    wide = replace(TINY, model=replace(TINY.model, tokens=1 << 18, embed_dim=1 << 10, normaliser="divide"))
    assert not division_beyond_float64(wide)
    wide = replace(wide, quant=QuantSpec(INT8, INT8, INT8))
    assert division_beyond_float64(wide)
    with pytest.raises(DesignError) as caught:
        QuantNormaliser(wide)
    assert str(caught.value) == (
        "ind_tiny: model.normaliser='divide' divides by up to 44 bits, too many for exact quotients in 64-bit floats; "
        "use fewer tokens, a smaller embed_dim or 'none'"
    )


@pytest.fixture(scope="module", params=["shift", "shift_int8", "divide", "divide_int8"])
def exported(request, tmp_path_factory):
    design = DESIGNS[request.param]
    decoder, path = random_decoder(design, seed=2), tmp_path_factory.mktemp("normaliser") / "d.qonnx"
    export_qonnx(decoder, token_shift(design), path)
    return decoder, path


def test_qonnx_execution_gives_the_golden_quotients_of_its_own_queries_keys_and_values(exported):
    """Elsewhere QONNX's own rounding of negative ties differs, so each attention is looked at by itself."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    decoder, path = exported
    design, parameters, seen = decoder.design, read_qonnx(path, decoder.design), set()
    graph = ModelWrapper(str(path)).transform(InferShapes())
    for window in windows(design, 24, seed=6):
        found = execute_onnx(graph, {"tokens": window[None].astype(np.float32)}, return_full_exec_context=True)
        for i, block_shifts in enumerate(parameters.attention):
            units = {
                part: np.round(found[f"block{i}_{part}"][0] / 2.0 ** decoder.exponent(f"block{i}_{part}")).astype(np.int64)
                for part in ("query", "key", "state", "attention")
            }
            weight = units["query"] @ units["key"].sum(axis=0)[:, None]
            expected = normalised(units["query"] @ units["state"], weight, block_shifts.numerator, design)
            assert np.array_equal(units["attention"], expected)
            seen.update(expected.reshape(-1).tolist())
    assert len(seen) > 20


def test_training_moves_every_parameter_and_leaves_the_export_exact(exported, tmp_path):
    decoder, _ = exported
    design = decoder.design
    decoder = random_decoder(design, seed=4).train()
    optimiser = torch.optim.Adam(decoder.parameters(), lr=2e-3)
    tokens = torch.from_numpy(windows(design, 64, seed=8)).float()
    for _ in range(5):
        optimiser.zero_grad(set_to_none=True)
        decoder(tokens).pow(2).mean().backward()
        for name, value in decoder.named_parameters():
            assert value.grad is not None and torch.isfinite(value.grad).all(), name
        assert range_log2(decoder.blocks[0].attention.attention_out).grad.abs() > 0
        optimiser.step()
        keep_shifts_in_range(decoder)
    export_qonnx(decoder, token_shift(design), tmp_path / "d.qonnx")
    parameters = read_qonnx(tmp_path / "d.qonnx", design)
    assert first_mismatch(check_export(decoder, parameters, windows(design, 200, seed=9))[0]) is None


def test_numerators_that_would_need_a_right_shift_are_put_right(exported):
    decoder = random_decoder(exported[0].design, seed=5)
    with torch.no_grad():
        range_log2(decoder.blocks[0].attention.attention_out).add_(15)
    assert shifts(decoder)["block0_attention"] < 0
    keep_shifts_in_range(decoder)
    assert min(shifts(decoder).values()) == shifts(decoder)["block0_attention"] == 0


def test_sums_of_the_attention_beyond_32_bit_floats_are_named(exported, monkeypatch):
    decoder, path = exported
    parameters = read_qonnx(path, decoder.design)
    monkeypatch.setattr(exactness, "EXACT_IN_FLOAT32", 10)
    assert "block0_state" in layers_beyond_float32(parameters)
    assert "block0_attention" not in layers_beyond_float32(parameters)  # those are 64-bit


def test_sums_of_an_attention_without_division_are_32_bit(monkeypatch, tmp_path):
    export_qonnx(random_decoder(TINY), token_shift(TINY), tmp_path / "d.qonnx")
    parameters = read_qonnx(tmp_path / "d.qonnx", TINY)
    monkeypatch.setattr(exactness, "EXACT_IN_FLOAT32", 10)
    assert {"block0_state", "block0_attention"} <= set(layers_beyond_float32(parameters))


@pytest.mark.parametrize(
    ("variant", "shifts", "line"),
    [
        ("int4", AttentionShifts(1, 2, 3), "block0 numerator: shift=3 where normaliser='none' has none; use 0"),
        ("divide_int8", AttentionShifts(1, 2, 3), "block0 out: shift=2 where normaliser='divide' has none; use 0"),
        ("shift_int8", AttentionShifts(1, 0, 32), "block0 numerator: shift=32 is out of range; use 0 to 31"),
    ],
)
def test_shifts_that_the_normaliser_does_not_have(variant, shifts, line, tmp_path):
    design = DESIGNS[variant]
    export_qonnx(random_decoder(design), token_shift(design), tmp_path / "d.qonnx")
    with pytest.raises(ParameterError) as caught:
        replace(read_qonnx(tmp_path / "d.qonnx", design), attention=(shifts,))
    assert str(caught.value) == f"{design.name}: {line}"


def test_the_graph_divides_with_operations_of_the_standard_domain(exported):
    decoder, path = exported
    graph = onnx.load(path)
    others = {node.op_type for node in graph.graph.node if node.domain not in ("", "ai.onnx")}
    assert others == {"Quant"}
    dividing = [node.op_type for node in graph.graph.node].count("Div")
    assert dividing == decoder.design.model.layers
