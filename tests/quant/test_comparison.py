"""The compared quantizers: their integers, scales and gradients on ind_tiny, and the rows of the benchmark."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from random_decoders import TINY, windows

import models.recipes
from designs.layer_table import linear_layers
from designs.number_format import INT4, INT8, IntFormat
from designs.schema import DesignError
from designs.widths import WIDTHS, ind_of, quant_of
from models.benchmark_models import BenchmarkError, check_model, module_of, rows_of
from models.ind import Ind
from models.metrics import accuracy
from models.standardise import Standardisation
from models.window_tensors import WindowTensors
from quant.calibrate import best_exponent, calibrate, from_float
from quant.comparison import benchmark
from quant.comparison.compared_ind import compared_ind, octaves_in_range
from quant.comparison.family import CALIBRATED, LEARNED, METHODS, Family, every_row, read_name, row_name, studied_rows
from quant.comparison.quantizers import compared_activation, compared_linear, learned_range, pact_decay, set_scale
from quant.comparison.scales import found_scale
from quant.fine_tune import QatSettings, divergence, fine_tune
from quant.integer_windows import IntegerWindows

sys.path.append(str(Path(__file__).parents[1] / "models"))
from made_recordings import rhythms

FAMILIES = [Family(method, channel, power) for method in METHODS for channel in (False, True) for power in (False, True)]
NAMED = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: row_name(family, 4, 4).removesuffix(":w4a4"))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Layers this small only wait for each other on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def ind() -> Ind:
    torch.manual_seed(0)
    found = Ind(TINY)
    torch.nn.init.normal_(found.position, std=0.3)
    return found.eval()


@pytest.fixture(scope="module")
def made() -> IntegerWindows:
    """Random windows, labelled by chance."""
    tokens = torch.from_numpy(windows(TINY, 200)).float()
    flat, rows = tokens.flatten(0, 1), torch.arange(800).reshape(200, 4)
    part = WindowTensors(flat, rows, torch.arange(200) % TINY.model.outputs)
    standardisation = Standardisation(flat.mean(0), flat.std(0))
    none = np.zeros((4, 4), np.int64)
    return IntegerWindows(none, dict.fromkeys(("train", "validation", "test"), part), none, {}, standardisation)


def of_widths(weight: int, activation: int):
    return replace(TINY, quant=quant_of(weight, activation))


def scale_of(quantizer: torch.nn.Module) -> torch.Tensor:
    """The scale in force."""
    proxy = quantizer.weight_quant if hasattr(quantizer, "weight_quant") else quantizer.act_quant
    return (proxy(quantizer.weight) if hasattr(quantizer, "weight_quant") else proxy(torch.ones(1))).scale.detach()


@NAMED
def test_integers_are_in_their_formats_and_scales_are_what_the_family_says(ind, made, family):
    design = of_widths(3, 4)
    model = compared_ind(ind, made, design, family)
    with torch.no_grad():
        found, logits = model.boundaries(made.parts["test"].all_tokens())
    assert torch.isfinite(logits).all() and logits.std() > 0
    for name, value in found.items():
        fmt = model.quantizer(name)[1]
        integers = value.value / value.scale
        assert torch.allclose(integers, integers.round(), atol=1e-3), name
        assert fmt.min <= integers.round().min() <= integers.round().max() <= fmt.max, name
    for layer in linear_layers(design):
        weight = model.layer(layer.name).quant_weight()
        assert weight.scale.shape == ((layer.outputs, 1) if family.per_channel else ())
        integers = (weight.value / weight.scale).round()
        assert layer.weight.min <= integers.min() <= integers.max() <= layer.weight.max
        if family.power_of_two:
            assert torch.equal(weight.scale.log2(), weight.scale.log2().round())


@pytest.mark.parametrize("method", CALIBRATED)
@pytest.mark.parametrize("per_channel", [False, True])
def test_eight_bits_calibrated_decide_like_float(ind, made, method, per_channel):
    model = compared_ind(ind, made, of_widths(8, 8), Family(method, per_channel, power_of_two=False))
    tokens = made.parts["test"].all_tokens()
    with torch.no_grad():
        wanted, found = ind(made.standardisation(tokens)), model(tokens)
    assert (found - wanted).square().mean() < 0.02 * wanted.var()
    assert (found.argmax(1) == wanted.argmax(1)).float().mean() > 0.93


def test_the_product_s_family_calibrates_as_the_product(ind, made):
    design, tokens = of_widths(4, 4), made.parts["test"].all_tokens()
    product = from_float(ind, made.standardisation.centre, made.standardisation.scale, design)
    calibrate(product, tokens)
    compared = compared_ind(ind, made, design, Family("own", per_channel=False, power_of_two=True))
    with torch.no_grad():
        assert torch.equal(product.eval()(tokens), compared(tokens))


@pytest.mark.parametrize("fmt", [INT8, INT4, IntFormat(2), INT4.unsigned()])
def test_scales_keep_what_their_method_says(fmt):
    values = torch.randn(3, 4000, generator=torch.Generator().manual_seed(2)) * torch.tensor([[1.0], [5.0], [0.1]])
    values = values if fmt.signed else values.relu()

    def found(method: str, power_of_two: bool) -> torch.Tensor:
        return found_scale(values, fmt, Family(method, per_channel=True, power_of_two=power_of_two))

    largest = values.abs().amax(1)
    assert torch.allclose(found("min_max", False) * fmt.max, largest)
    assert (found("min_max", True) * fmt.max >= largest).all() and (found("min_max", True) / 2 * fmt.max < largest).all()
    above = (values.abs() > found("percentile", False)[:, None] * fmt.max).float().mean(1)
    assert torch.allclose(above, torch.full((3,), 0.001), atol=3e-4)
    exponents = torch.tensor([2.0 ** best_exponent(row, fmt) for row in values])
    assert torch.equal(found("squared_error", True), exponents)

    def error(scale: torch.Tensor) -> torch.Tensor:
        rounded = (values / scale[:, None] + 0.5).floor().clamp(fmt.min, fmt.max) * scale[:, None]
        return ((rounded - values) ** 2).sum(1)

    for other in (found("min_max", False), found("percentile", False), exponents):
        assert (error(found("squared_error", False)) <= error(other) * 1.005).all()


def test_values_that_are_all_zero_have_a_scale():
    for family in FAMILIES:
        assert (found_scale(torch.zeros(2, 10), INT4, family) > 0).all()


def gradient_of_range(method: str, values: torch.Tensor) -> float:
    family = Family(method, per_channel=False, power_of_two=False)
    quantizer = compared_activation(INT4, family).train()
    set_scale(quantizer, INT4, torch.tensor(0.5), family)
    quantizer(values).value.sum().backward()
    return float(learned_range(quantizer).grad)


def test_lsq_learns_from_rounding_and_pact_from_clipping_alone():
    """d quantize(v) / d scale: round(v / s) - v / s within the range, the largest integer beyond it; the range is 8 scales."""
    within, beyond = torch.tensor([0.7, -1.1]), torch.tensor([9.0])
    assert gradient_of_range("lsq", within) == pytest.approx(((1 - 1.4) + (-2 + 2.2)) / 8)
    assert gradient_of_range("lsq", beyond) == pytest.approx(7 / 8)
    assert gradient_of_range("pact", within) == 0
    assert gradient_of_range("pact", beyond) == pytest.approx(7 / 8)


@pytest.mark.parametrize("power_of_two", [False, True])
def test_pact_begins_with_clipped_activations_and_whole_weights(power_of_two):
    values = torch.randn(1, 4000, generator=torch.Generator().manual_seed(2))
    pact, *others = (Family(name, per_channel=False, power_of_two=power_of_two) for name in ("pact", "percentile", "min_max"))
    percentile, min_max = (found_scale(values, INT4, family) for family in others)
    assert torch.equal(found_scale(values, INT4, pact, activation=True), percentile)
    assert torch.equal(found_scale(values, INT4, pact), min_max)
    assert torch.equal(found_scale(values, INT4, others[1], activation=True), min_max)


@pytest.mark.parametrize("power_of_two", [False, True])
def test_pact_s_decay_is_of_every_activation_s_squared_range(ind, made, power_of_two):
    family, design = Family("pact", per_channel=True, power_of_two=power_of_two), of_widths(4, 4)
    model = compared_ind(ind, made, design, family)
    quantizers = {
        id(found): found
        for found, _ in (model.quantizer(name) for name in model.boundaries(made.parts["test"].all_tokens()[:2])[0])
    }
    reach = [2.0 ** float(learned_range(q)) if power_of_two else float(learned_range(q)) for q in quantizers.values()]
    found = pact_decay(model, family)
    assert float(found) == pytest.approx(2e-4 * sum(value**2 for value in reach), rel=1e-4)
    found.backward()
    assert all(float(learned_range(q).grad) > 0 for q in quantizers.values())
    assert all(learned_range(model.layer(layer.name)).grad is None for layer in linear_layers(design))


def test_pact_alone_has_a_decay_in_its_loss(ind, made, monkeypatch):
    given = {}
    monkeypatch.setattr(benchmark, "fine_tune", lambda model, *_args, penalty, **_kw: given.update({family.method: penalty}))

    class Trained:
        model = ind

    for family in (Family("lsq", False, False), Family("pact", False, False)):
        model = benchmark.quantized_with(family, of_widths(4, 4), Trained(), made, seed=0)
    assert given["lsq"] is None and torch.equal(given["pact"](model), pact_decay(model, family))


def test_a_penalty_is_part_of_every_step(ind, made):
    family, design = Family("pact", per_channel=False, power_of_two=False), of_widths(8, 8)

    def ranges_after(penalty) -> torch.Tensor:
        torch.manual_seed(0)
        model, parts = compared_ind(ind, made, design, family), made.parts
        seen = []
        settings = QatSettings(epochs=1, steps_per_epoch=4, range_rate=0.01)

        def watched(model):
            seen.append(pact_decay(model, family).detach())

        common = (ind, parts["train"], parts["validation"], made.standardisation, settings)
        fine_tune(
            model, *common, keep_in_range=watched, range_step=lambda v, o: octaves_in_range(family, v, o), penalty=penalty
        )
        return seen[3]

    assert ranges_after(lambda model: 1e4 * pact_decay(model, family)) < 0.99 * ranges_after(None)


def test_weights_of_a_channel_move_its_scale_alone():
    layer, family = linear_layers(of_widths(2, 4))[1], Family("lsq", per_channel=True, power_of_two=False)
    linear = compared_linear(layer, family)
    set_scale(linear, layer.weight, torch.full((layer.outputs,), 0.1), family)
    linear.quant_weight().value[3].sum().backward()
    moved = learned_range(linear).grad.flatten()
    assert moved[3] != 0 and (torch.cat([moved[:3], moved[4:]]) == 0).all()


def test_a_step_is_the_same_share_of_a_range_in_both_domains():
    for family in FAMILIES:
        quantizer = compared_activation(INT8, family)
        set_scale(quantizer, INT8, torch.tensor(0.25), family)
        before, value = float(scale_of(quantizer)), learned_range(quantizer)
        with torch.no_grad():
            value.add_(octaves_in_range(family, value, 0.01))
        if not family.power_of_two:
            assert float(scale_of(quantizer)) == pytest.approx(before * 2**0.01, rel=1e-3)


@pytest.mark.parametrize("method", LEARNED)
def test_fine_tuning_comes_closer_to_float_and_keeps_the_formats(ind, made, method, monkeypatch):
    monkeypatch.setattr(benchmark, "QatSettings", lambda seed: QatSettings(epochs=2, learning_rate=0.003, seed=seed))
    family, design = Family(method, per_channel=True, power_of_two=False), of_widths(3, 4)

    class Trained:
        model = ind

    model = benchmark.quantized_with(family, design, Trained(), made, seed=0)
    tokens = made.parts["test"].all_tokens()
    before = compared_ind(ind, made, design, family)
    with torch.no_grad():
        wanted = ind(made.standardisation(tokens))
        assert divergence(wanted, model(tokens)) < 0.9 * divergence(wanted, before(tokens))
    for layer in linear_layers(design):
        assert not torch.equal(learned_range(model.layer(layer.name)), learned_range(before.layer(layer.name)))


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(models.recipes, "CLASSIFICATION", replace(models.recipes.CLASSIFICATION, epochs=3))
    monkeypatch.setattr(benchmark, "QatSettings", lambda seed: QatSettings(epochs=1, seed=seed))
    monkeypatch.setattr("quant.ind_benchmark.QatSettings", lambda seed: QatSettings(epochs=1, seed=seed))


def test_rows_of_a_fold_share_its_float_decoder(short):
    benchmark.float_decoder.cache_clear()
    fold = rhythms()
    for row in (
        "ind_q:own:per_tensor:power_of_two:w2a4",
        "ind_q:lsq:per_channel:free:w4a4",
        "ind_q:min_max:per_tensor:free:w8a8",
    ):
        found = benchmark.evaluate(fold, row, 0)
        assert accuracy(found.wanted, found.predicted) > 0.8, row
    assert benchmark.float_decoder.cache_info().misses == 1
    benchmark.float_decoder.cache_clear()
    benchmark.windows_of.cache_clear()


def test_integers_that_differ_are_refused():
    fake = np.array([[0.5, 1.0], [0.25, 0.0], [1.0, 2.0]], np.float32)
    benchmark.refuse_other_integers("row", fake, fake.astype(np.float64))
    with pytest.raises(
        DesignError, match="row: fake-quantized outputs of 1 of 3 test windows, the first of them window 1, are"
    ):
        benchmark.refuse_other_integers("row", fake, np.array([[0.5, 1.0], [0.25, 0.125], [1.0, 2.0]]))


def test_names_are_read_back_and_rows_are_all_different():
    for row in every_row():
        family, weight, activation = read_name(row)
        assert row_name(family, weight.bits, activation.bits) == row
    assert len(set(every_row())) == len(METHODS) * 4 * len(WIDTHS)
    assert set(studied_rows()) < set(every_row())
    assert {read_name(row)[1:] for row in studied_rows()} == {read_name(row)[1:] for row in every_row()}
    assert ind_of(4, 4).quant == TINY.quant


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("ind_q", "model 'ind_q' is no quantizer; use ind_q:METHOD:SHARED:SCALE:WIDTHS, as ind_q:lsq:per_channel:free:w4a4"),
        (
            "ind_q:dorefa:per_tensor:free:w4a4",
            "model 'ind_q:dorefa:per_tensor:free:w4a4': 'dorefa' is unknown; use one of min_max, percentile, squared_error, "
            "own, pact, lsq",
        ),
        (
            "ind_q:lsq:per_tensor:free:w5a5",
            "model 'ind_q:lsq:per_tensor:free:w5a5': 'w5a5' is unknown; use one of w8a8, w8a4, w4a8, w4a4, w3a4, w2a4",
        ),
    ],
)
def test_an_unknown_row_is_one_clear_line(model, message):
    with pytest.raises(DesignError) as error:
        check_model(model, rhythms())
    assert str(error.value) == message


def test_a_pattern_stands_for_the_rows_that_it_fits():
    assert rows_of("ind_q") == studied_rows() and rows_of("csp") == ("csp",)
    own = rows_of("ind_q:own:per_tensor:power_of_two:*")
    assert own == tuple(f"ind_q:own:per_tensor:power_of_two:w{w}a{a}" for w, a in WIDTHS)
    assert rows_of("ind_q:*") == every_row()
    with pytest.raises(DesignError, match=r"model 'ind_q:owns:\*' fits no quantizer"):
        rows_of("ind_q:owns:*")


def test_a_row_is_a_model_of_the_benchmark():
    check_model("ind_q:lsq:per_channel:free:w4a4", rhythms())
    assert module_of("ind_q:lsq:per_channel:free:w4a4") == "quant.comparison.benchmark"
    with pytest.raises(BenchmarkError, match="model 'ind_r:lsq' is unknown"):
        check_model("ind_r:lsq", rhythms())
