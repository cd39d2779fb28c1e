"""Learned centres: they go where a rhythm tells the classes apart, by training windows alone, the same for the same seed."""

from ast import literal_eval
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_recordings import counts, rhythms
from typer import Typer
from typer.testing import CliRunner

from designs.decoding_set import DecodingSet
from designs.ind_tiny import IND_TINY
from designs.model_hash import model_hash
from designs.schema import HIGHEST_CENTRE, LOWEST_CENTRE, Design
from models import benchmark_models, learn_centres
from models.ind_benchmark import design_for
from models.learn_centres import Centres, cut_windows, halves, with_centres
from models.recording import Recording, RecordingError, Session
from models.wavelets import float_tokens
from models.windows import decoding_set

APP = Typer()
APP.command()(learn_centres.command)


def plain(recording: Recording, per_octave: int = 1) -> Design:
    """A design without spatial filter, of narrow wavelets."""
    design = design_for(recording)
    bank = replace(design.tokenizer, wavelets=per_octave * design.tokenizer.octaves, spatial=None, cycles=8.0, taps=40)
    return replace(design, tokenizer=bank)


def windows_of(recording: Recording, design: Design) -> DecodingSet:
    return decoding_set(recording, design, spread=1)


def few_steps(monkeypatch) -> None:
    """Enough to see every stage at work."""
    monkeypatch.setattr(learn_centres, "STEPS", 10)
    monkeypatch.setattr(learn_centres, "WARM_UP", 3)


def distance(centres: tuple[float, ...], wanted: float) -> float:
    return min(abs(centre - wanted) for centre in centres)


@pytest.mark.parametrize(("hz", "per_octave", "wanted"), [(17.0, 1, 0.2125), (17.0, 2, 0.2125), (11.5, 1, 0.2875)])
def test_centres_move_to_the_rhythm_that_tells_the_classes_apart(hz, per_octave, wanted):
    """At 160 Hz: 17 Hz lies in the second octave, of rate 80 Hz, 11.5 Hz above the grid of the third, of rate 40 Hz."""
    recording = rhythms(2, hz=hz, size=4.0)
    design = plain(recording, per_octave)
    found = learn_centres.learn_centres(windows_of(recording, design), design, seed=0)
    assert distance(found, wanted) < 0.4 * distance(design.tokenizer.relative_centres, wanted), found


def test_nothing_but_training_windows_and_the_seed_changes_the_centres(monkeypatch):
    few_steps(monkeypatch)
    recording = rhythms(2, hz=17.0)
    design = design_for(recording)
    found = windows_of(recording, design)
    last = recording.sessions[-1]
    loud = replace(recording, sessions=(*recording.sessions[:-1], replace(last, samples=last.samples[::-1] * 3)))
    relabelled = replace(found, window_label=np.where(found.window_part == 0, found.window_label, 1 - found.window_label))
    first = learn_centres.learn_centres(found, design, seed=0)
    assert learn_centres.learn_centres(found, design, seed=0) == first
    assert first != design.tokenizer.relative_centres
    assert learn_centres.learn_centres(windows_of(loud, design), design, seed=0) == first
    assert learn_centres.learn_centres(relabelled, design, seed=0) == first
    assert learn_centres.learn_centres(found, design, seed=1) != first


def test_windows_are_cut_with_all_that_reaches_into_them():
    recording = rhythms(3)
    design = design_for(recording)
    found = windows_of(recording, design)
    windows = cut_windows(found, design)
    centres = torch.tensor(design.tokenizer.relative_centres, dtype=torch.float64)
    for window in (0, 1, 40, len(windows.end) - 1):
        stream = windows.streams[int(windows.stream[window])]
        last = int(windows.end[window]) // design.tokenizer.token_samples
        whole = float_tokens(stream, design.tokenizer.bank)[last - design.model.tokens : last]
        assert torch.allclose(windows.tokens(torch.tensor([window]), centres)[0], whole, rtol=1e-4, atol=1e-3)


def test_each_half_of_a_session_is_earlier_or_later_and_none_is_lost():
    recording = rhythms(2)
    windows = cut_windows(windows_of(recording, plain(recording)), plain(recording))
    early, late = halves(windows)
    assert sorted(torch.cat([early, late]).tolist()) == list(range(len(windows.end)))
    for stream in windows.streams:
        first, second = (windows.end[part][windows.stream[part] == stream] for part in (early.numpy(), late.numpy()))
        assert first.max() <= second.min() and len(first) and len(second)


def test_a_silent_channel_leaves_the_centres_numbers():
    recording = rhythms(3, hz=17.0)
    silent = replace(recording, sessions=tuple(replace(s, samples=s.samples * [1, 0, 1]) for s in recording.sessions))
    design = plain(silent)
    with pytest.warns(UserWarning, match="is constant"):
        found = windows_of(silent, design)
    windows, centres = cut_windows(found, design), Centres(design.tokenizer)
    learn_centres.standardised(windows.tokens(torch.arange(4), centres()).flatten(1)).square().sum().backward()
    assert torch.isfinite(centres.share.grad).all()


@pytest.mark.parametrize("per_octave", [1, 2, 4])
def test_any_parameters_give_centres_that_a_tokenizer_takes(per_octave):
    spec = replace(IND_TINY.tokenizer, wavelets=4 * per_octave)
    centres, draw = Centres(spec), torch.Generator().manual_seed(0)
    assert torch.allclose(centres(), torch.tensor(spec.relative_centres, dtype=torch.float64), atol=1e-3)
    for size in (1.0, 10.0, 1000.0):
        centres.share.data = size * torch.randn(per_octave + 1, generator=draw, dtype=torch.float64)
        rounded = tuple(round(value, learn_centres.DECIMALS) for value in centres().tolist())
        assert replace(spec, centres=rounded).relative_centres == rounded
        assert LOWEST_CENTRE < rounded[-1] <= rounded[0] < HIGHEST_CENTRE


def test_a_regressor_moves_them_to_the_rhythm_whose_size_it_decodes():
    rng, sessions = np.random.default_rng(0), []
    none = np.zeros(0, np.int64)
    for name in ("first", "second"):
        size = np.repeat(rng.uniform(0, 8, 80), 480)
        samples = rng.normal(0, 10, (len(size), 2))
        samples[:, 1] += size * np.sin(2 * np.pi * 17 / 160 * np.arange(len(size)))
        sessions.append(Session(name, samples, none, none, targets=size[:, None].astype(np.float32)))
    recording = Recording("sizes", "voltage", 160.0, ("E0", "E1"), (), tuple(sessions), 0.0)
    design = plain(recording)
    (found,) = learn_centres.learn_centres(decoding_set(recording, design), design, seed=0)
    assert abs(found - 0.2125) < 0.015


def test_the_row_of_the_benchmark_decodes_and_refuses_ready_tokens(monkeypatch):
    few_steps(monkeypatch)
    found = benchmark_models.evaluate(rhythms(), "ind_centres", 0)
    assert np.mean(found.predicted == found.wanted) > 0.9
    with pytest.raises(RecordingError, match=r"^made: holds counts, ind_centres has no wavelets to centre; use ind$"):
        benchmark_models.check_model("ind_centres", counts())
    with pytest.raises(RecordingError, match=r"sampled at 160\.5 Hz"):
        benchmark_models.check_model("ind_centres", replace(rhythms(), sample_hz=160.5))
    benchmark_models.check_model("ind_centres", rhythms())


def test_other_centres_are_another_model():
    moved = with_centres(IND_TINY, (0.2311,))
    assert len({model_hash(design) for design in (IND_TINY, moved, with_centres(IND_TINY, (0.2312,)))}) == 3


def save(recording: Recording, path: Path) -> Path:
    """As models/datasets/generic.py reads it, all sessions in one stream."""
    start = np.cumsum([0, *(len(s.samples) for s in recording.sessions[:-1])])
    onset = np.concatenate([s.onset + begin for s, begin in zip(recording.sessions, start, strict=True)])
    label = np.array(recording.label_names)[np.concatenate([s.label for s in recording.sessions])]
    samples = np.concatenate([s.samples for s in recording.sessions])
    fixed = {"sample_hz": recording.sample_hz, "session_start": start, "decide_s": recording.decide_s}
    np.savez(path, samples=samples, event_sample=onset, event_label=label, **fixed)
    return path


def test_the_command_prints_the_line_to_write_into_the_design(tmp_path, monkeypatch):
    few_steps(monkeypatch)
    recording = rhythms(2, hz=17.0)
    monkeypatch.setattr(learn_centres, "find_design", lambda name: replace(plain(recording), name=name))
    found = CliRunner().invoke(APP, ["named", "--recording", str(save(recording, tmp_path / "made.npz"))])
    assert found.exit_code == 0, found.output
    before, after, line = found.stdout.splitlines()
    assert before.split() == ["before", "40.00", "20.00", "10.00", "Hz"]
    assert after.startswith("after ") and after.split()[1] != "40.00"
    (centre,) = literal_eval(line.removeprefix("centres="))[0]
    assert float(after.split()[1]) == pytest.approx(160 * centre, abs=0.006)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ind_tny",), "design 'ind_tny' is unknown: did you mean ind_tiny?"),
        (("spikes_int4",), "spikes_int4: starts from counts, there are no wavelets to centre; use a design of voltages"),
        (("ind_tiny", "--recording", "no.npz"), "no.npz: no such recording"),
        (("ind_tiny", "--task", "fists"), "the generated recording has no task 'fists'"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(arguments, message):
    found = CliRunner().invoke(APP, list(arguments))
    assert found.exit_code == 2
    assert f"models.learn_centres: {message}" in found.stderr and "Traceback" not in found.output
