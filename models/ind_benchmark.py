"""The IND that a recording gets when nobody drew one for it: design and training settings from channels, rate and task alone.

What is fixed here was chosen on training parts only (docs/benchmarks.md says how); no name of a file or data set plays a part.
"""

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from designs.decoding_set import DecodingSet
from designs.layer_table import parameters
from designs.number_format import INT8, IntFormat
from designs.schema import Design, HardwareSpec, ModelSpec, QuantSpec, SpatialSpec, TokenizerSpec
from models.augment import Augmentation
from models.fit import FitSettings, predict
from models.metrics import accuracy, correlation, macro_f1, r2
from models.recording import Recording, RecordingError
from models.train import Trained, train_ind
from models.windows import decoding_set

PARAMETERS_AT_MOST = 32_000
LOWEST_HZ = 5.0
"""Octaves are added until the bank reaches below this."""
WAVELETS_PER_OCTAVE = 4
TOKEN_S, DECISION_TOKENS = 0.2, 18
"""A cue's window: tokens of about TOKEN_S, as many as fit before the decision, at most DECISION_TOKENS."""
HISTORY_TOKENS = 16
"""Tokens of a regressor's window."""
VIRTUAL_AT_MOST = 24
FEW_CHANNELS = 8
"""Up to so many channels stay beside their local references."""
FINE_OCTAVES = 4
"""Banks of more octaves have half as many wavelets in each."""

CLASSIFICATION = FitSettings(epochs=20, learning_rate=3e-4, start="linear", judged=False, average=0.99)
FEATURES = FitSettings(
    epochs=16, batch=128, learning_rate=2e-3, judged=False, average=0.99, augmentation=Augmentation(1.0, 0.3, 0.0, 1.0)
)
COUNTS = replace(FEATURES, epochs=24, augmentation=Augmentation(0.3, 0.2, 0.0, 0.0))


def design_for(recording: Recording, weight: IntFormat = INT8, activation: IntFormat = INT8) -> Design:
    """The design that fits `recording`; RecordingError where its rate allows no token."""
    regression = recording.events == 0
    tokenizer = _ready_tokens(recording) if recording.kind != "voltage" else _bank(recording)
    tokens = HISTORY_TOKENS
    if not regression:
        tokens = max(2, min(DECISION_TOKENS, int(recording.decide_s * 1000 / tokenizer.token_ms + 1e-6)))
    model = ModelSpec(
        tokens=tokens,
        embed_dim=32,
        layers=2,
        hidden_dim=64,
        outputs=_outputs(recording) if regression else len(recording.label_names),
        task="regression" if regression else "classification",
        pool="none" if regression else "mean",
    )
    design = Design(
        name="ind_of_recording",
        tokenizer=tokenizer,
        model=model,
        quant=QuantSpec(weight=weight, activation=activation, stream=INT8),
        hardware=HardwareSpec(target="ihp_sg13g2", clock_khz=1000, stage_cycles=1),
    )
    return _within_budget(design)


def _outputs(recording: Recording) -> int:
    found = recording.sessions[0].targets
    if found is None:
        raise RecordingError(f"{recording.source}: has neither cues nor targets, nothing to train on; use another recording")
    return found.shape[1]


def _ready_tokens(recording: Recording) -> TokenizerSpec:
    rate = round(recording.sample_hz)
    return TokenizerSpec(
        channels=len(recording.electrodes),
        sample_hz=rate,
        wavelets=1,
        octaves=1,
        taps=0,
        cycles=0.0,
        token_ms=round(1000 / rate),
        signal=recording.kind,
    )


def _bank(recording: Recording) -> TokenizerSpec:
    rate, channels = round(recording.sample_hz), len(recording.electrodes)
    if rate != recording.sample_hz:
        raise RecordingError(
            f"{recording.source}: sampled at {recording.sample_hz:g} Hz; resample it to a whole number of hertz"
        )
    octaves = max(1, math.ceil(math.log2(rate / 4 / LOWEST_HZ)))
    per_octave = WAVELETS_PER_OCTAVE if octaves <= FINE_OCTAVES else WAVELETS_PER_OCTAVE // 2
    step_ms = 2000 // math.gcd(2000, rate)
    shortest_ms = math.ceil(1000 * (2 << (octaves - 1)) / rate)
    token_ms = max(round(1000 * TOKEN_S / step_ms), math.ceil(shortest_ms / step_ms), 1) * step_ms
    virtual = 2 * channels if channels <= FEW_CHANNELS else min(channels, VIRTUAL_AT_MOST)
    return TokenizerSpec(
        channels=channels,
        sample_hz=rate,
        wavelets=per_octave * octaves,
        octaves=octaves,
        taps=24,
        cycles=5.0,
        token_ms=token_ms,
        spatial=SpatialSpec(virtual) if channels > 1 else None,
    )


def _within_budget(design: Design) -> Design:
    """The same design, its width narrowed in steps of four until it has at most PARAMETERS_AT_MOST learned numbers."""
    while parameters(design) > PARAMETERS_AT_MOST and design.model.embed_dim > 8:
        width = design.model.embed_dim - 4
        design = replace(design, model=replace(design.model, embed_dim=width, hidden_dim=2 * width))
    return design


def settings_for(design: Design, seed: int) -> FitSettings:
    """How the decoder of `design` is trained: no epoch is chosen by validation, so that every trial of few may train."""
    if not design.model.regression:
        return replace(CLASSIFICATION, seed=seed)
    return replace(COUNTS if design.tokenizer.signal == "counts" else FEATURES, seed=seed)


def score(design: Design, wanted: np.ndarray, decoded: np.ndarray) -> dict[str, float]:
    """wanted, decoded: classes int [windows], or values [windows, outputs] -> metrics by name."""
    if design.model.regression:
        return {"r2": r2(wanted, decoded), "correlation": correlation(wanted, decoded)}
    return {"accuracy": accuracy(wanted, decoded), "macro_f1": macro_f1(wanted, decoded)}


@dataclass(frozen=True)
class FloatResult:
    """A trained float decoder and what it scores on the test part."""

    design: Design
    found: DecodingSet
    trained: Trained
    metrics: dict[str, float]
    train_s: float


def float_ind(recording: Recording, seed: int, design: Design | None = None) -> FloatResult:
    """Train on the training sessions of `recording`, a fold with its test sessions named, and decode the test windows once."""
    design = design or design_for(recording)
    begin = time.monotonic()
    found = decoding_set(recording, design)
    trained = train_ind(design, found, settings_for(design, seed))
    train_s = time.monotonic() - begin
    test = trained.parts["test"]
    decoded = predict(trained.model, test).numpy()
    decoded = decoded if design.model.regression else decoded.argmax(axis=1)
    return FloatResult(design, found, trained, score(design, test.label.numpy(), decoded), train_s)
