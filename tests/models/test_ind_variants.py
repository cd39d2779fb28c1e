"""The IND without its wavelets or without its attention: as large, taught as it is, and what each of them can see."""

from dataclasses import replace

import pytest
import torch
from made_recordings import rhythms
from taught_windows import REGRESSOR, SETTINGS, lessons

from designs.ind_int4 import IND_INT4
from designs.ind_stream_int4 import IND_STREAM_INT4
from designs.ind_tiny import IND_TINY
from designs.schema import SpatialSpec, TokenizerSpec
from designs.spikes_int4 import SPIKES_INT4
from models.distillation import distil as distilling
from models.distillation.distil import distil
from models.distillation.ind_mlp_student import TokenMlp
from models.distillation.students import STUDENTS, fits, student
from models.fit import predict
from models.ind_benchmark import design_for
from models.window_tensors import WindowTensors

VARIANTS = [name for name in STUDENTS if name.startswith("ind_")]
OF_SIGNAL = ["ind_convolution", "ind_samples"]
MANY_CHANNELS = replace(
    IND_INT4,
    tokenizer=TokenizerSpec(64, 160, 12, 3, 24, 5.0, 200, spatial=SpatialSpec(24)),
    model=replace(IND_INT4.model, tokens=17, outputs=2),
)
FEW_CHANNELS = replace(
    MANY_CHANNELS, tokenizer=TokenizerSpec(3, 250, 16, 4, 24, 5.0, 200, spatial=SpatialSpec(6)), name="three_channels"
)


def inputs_of(name: str, design) -> tuple[int, int]:
    """(rows, features) of a window as the student reads it."""
    spec = design.tokenizer
    if STUDENTS[name].reads == "tokens":
        return design.model.tokens, spec.features
    return design.model.tokens * spec.token_samples, spec.bank_channels


def designs():
    return [IND_TINY, REGRESSOR, IND_INT4, MANY_CHANNELS, FEW_CHANNELS, design_for(rhythms())]


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("place", range(len(designs())))
def test_a_variant_is_as_large_as_the_ind(name, place):
    design = designs()[place]
    pupil = student(name, design)
    found, wanted = (sum(value.numel() for value in net.parameters()) for net in (pupil, student("ind", design)))
    assert abs(found / wanted - 1) < 0.02
    window = torch.randn(3, *inputs_of(name, design))
    outputs = pupil(window)
    assert outputs.shape == (3, design.model.outputs)
    outputs.square().sum().backward()
    assert all(value.grad is not None and bool(value.grad.any()) for value in pupil.parameters() if value.numel() > 1)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("method", ["none", "tskd"])
def test_a_variant_learns_under_the_same_recipe(name, method):
    given = lessons(64, signal=name in OF_SIGNAL)
    torch.manual_seed(3)
    recipe = replace(SETTINGS, epochs=16, learning_rate=1e-2)
    found = distil(student(name, IND_TINY), method, given, IND_TINY, recipe)
    right = float((predict(found.student, given.windows).argmax(1) == given.windows.label).float().mean())
    assert right > 0.5


def test_a_convolution_sees_what_came_before_and_every_sample():
    torch.manual_seed(0)
    pupil = student("ind_convolution", FEW_CHANNELS).eval()
    signal = torch.randn(1, 6, 17 * 50)
    later = signal.clone()
    later[:, :, 400:] += 1.0
    before, after = pupil.tokens_of(signal), pupil.tokens_of(later)
    assert torch.equal(before[:, :, :7], after[:, :, :7]) and not torch.equal(before[:, :, 8], after[:, :, 8])
    signal.requires_grad_()
    pupil.tokens_of(signal).sum().backward()
    assert bool(signal.grad.ne(0).all())


def test_bins_are_means_of_a_channel_s_samples_within_a_token():
    pupil = student("ind_samples", IND_TINY)
    signal = torch.arange(4 * 384, dtype=torch.float32).view(1, 4, 384)
    found = pupil.tokens_of(signal)
    assert found.shape == (1, 16, 4)
    assert torch.equal(found[0, 4 * 2 + 1, 3], signal[0, 2, 3 * 96 + 24 : 3 * 96 + 48].mean())


def test_an_mlp_mixes_tokens_each_feature_alike():
    torch.manual_seed(0)
    mlp, tokens = TokenMlp(IND_INT4.model), torch.randn(2, 10, 32)
    other = tokens.clone()
    other[0, 4, 7] += 1
    changed = (mlp(other) != mlp(tokens)).any(dim=1)
    assert changed[0, 7] and int(changed.sum()) == 1
    assert abs(sum(value.numel() for value in mlp.parameters()) / (4 * 32 * 33) - 1) < 0.01


def test_variants_behind_the_tokens_share_the_gains_of_features_and_others_have_none(monkeypatch):
    asked = []
    gains = torch.linspace(0.5, 2, 16)
    monkeypatch.setattr(distilling, "feature_gains", lambda *given: asked.append(given) or gains)
    settings = replace(SETTINGS, epochs=1, learning_rate=0.0)
    for name, wanted in (("ind", 1), ("ind_mlp", 2), ("ind_samples", 2), ("gru", 2), ("eegnet", 2)):
        pupil = student(name, IND_TINY)
        before = pupil.ind.embed.weight.detach().clone() if name.startswith("ind") else None
        distil(pupil, "none", lessons(signal=STUDENTS[name].reads != "tokens"), IND_TINY, settings)
        assert len(asked) == wanted, name
        if name in ("ind", "ind_mlp"):
            assert torch.allclose(pupil.ind.embed.weight, before * gains)


def test_a_linear_start_is_the_linear_decoder_with_an_mlp_too():
    given = lessons(96)
    torch.manual_seed(3)
    found = distil(
        student("ind_mlp", IND_TINY), "none", given, IND_TINY, replace(SETTINGS, epochs=1, learning_rate=0.0, start="linear")
    )
    assert float((predict(found.student, given.windows).argmax(1) == given.windows.label).float().mean()) > 0.9


def test_running_statistics_make_standardised_tokens():
    given = lessons(96, signal=True)
    loud = WindowTensors(given.windows.tokens * 1000, given.windows.rows, given.windows.label)
    pupil, seen = student("ind_samples", IND_TINY), []
    pupil.ind.embed.register_forward_hook(lambda _layer, given, _found: seen.append(given[0]))
    for _ in range(60):
        pupil(loud.all_tokens())
    pupil.eval()(loud.all_tokens())
    assert torch.allclose(seen[-1].std(dim=(0, 1)), torch.ones(16), atol=0.05)


@pytest.mark.parametrize(
    ("name", "design", "message"),
    [
        ("ind_convolution", SPIKES_INT4, "ind_convolution makes tokens of a voltage, counts come as tokens"),
        ("ind_samples", SPIKES_INT4, "ind_samples makes tokens of a voltage, counts come as tokens"),
        ("ind_convolution", IND_STREAM_INT4, "ind_convolution sees a whole window, model.attention='stream' keeps none"),
        ("ind_mlp", IND_STREAM_INT4, "ind_mlp mixes a whole window, model.attention='stream' keeps none"),
        ("ind_mlp", SPIKES_INT4, None),
        ("ind_mlp", IND_INT4, None),
    ],
)
def test_what_a_variant_fits(name, design, message):
    assert fits(name, design) == message
