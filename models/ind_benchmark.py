"""The IND that a recording gets when nobody drew one for it: design and training settings from channels, rate and task alone.

What is fixed here was chosen on training parts only (docs/benchmarks.md says how); no name of a file or data set plays a part.
"""

import math
import time
from dataclasses import replace

import numpy as np

from designs.decoding_set import DecodingSet
from designs.layer_table import bank_macs, macs_per_decision, parameters
from designs.number_format import INT8, IntFormat
from designs.schema import Design, DesignError, HardwareSpec, ModelSpec, QuantSpec, SpatialSpec, TokenizerSpec
from models.fit import predict
from models.outcome import Outcome
from models.recipes import benchmark_recipe
from models.recording import Recording, RecordingError
from models.train import Trained, train_ind
from models.windows import decoding_set

PARAMETERS_AT_MOST = 32_000
LOWEST_HZ = 5.0
"""Octaves are added until the bank reaches below this."""
WAVELETS_PER_OCTAVE = 4
TOKEN_S, READING_S, TOKENS_AT_MOST = 0.2, 0.5, 20
"""A cue's window: tokens of about TOKEN_S, as many as fit between READING_S after the cue and the decision."""
HISTORY_S, HISTORY_TOKENS = {"counts": 1.0, "features": 0.7, "voltage": 0.7}, (8, 20)
"""A regressor's window by kind of recording, and how many tokens it has at least and at most."""
VIRTUAL_AT_MOST = 24
FEW_CHANNELS = 8
"""Up to so many channels stay beside their local references."""
FINE_OCTAVES = 4
"""Banks of more octaves have half as many wavelets in each."""


def design_for(recording: Recording, weight: IntFormat = INT8, activation: IntFormat = INT8) -> Design:
    """The design that fits `recording`; RecordingError where its rate allows no token, or its classes no decision."""
    try:
        return _drawn(recording, weight, activation)
    except DesignError as error:
        raise RecordingError(f"{recording.source}: no IND can be drawn for it ({error}); use another recording") from error


def check(fold: Recording) -> None:
    """RecordingError where the recording gets no design."""
    design_for(fold)


def _drawn(recording: Recording, weight: IntFormat, activation: IntFormat) -> Design:
    regression = recording.events == 0
    tokenizer = _ready_tokens(recording) if recording.kind != "voltage" else _bank(recording)
    seconds = HISTORY_S[recording.kind] if regression else recording.decide_s - READING_S
    fewest, most = HISTORY_TOKENS if regression else (2, TOKENS_AT_MOST)
    tokens = max(fewest, min(most, int(seconds * 1000 / tokenizer.token_ms + 1e-6)))
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
    if not 1 <= rate <= 1000:
        raise RecordingError(f"{recording.source}: {recording.sample_hz:g} rows per second; bring it to 1 to 1000")
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


def float_ind(fold: Recording, design: Design, seed: int) -> tuple[Trained, DecodingSet]:
    """Train on the training sessions of `fold`, a recording with its test sessions named."""
    settings = benchmark_recipe(design, seed)
    found = decoding_set(fold, design, settings.spread)
    return train_ind(design, found, settings), found


def decoded(outputs: np.ndarray, trained: Trained) -> np.ndarray:
    """Logits or standardised values [windows, outputs] -> classes int64 [windows], or values in the units of the targets."""
    model = trained.model
    if model.regression:
        return outputs * model.target_scale.numpy() + model.target_centre.numpy()
    return outputs.argmax(axis=1)


def evaluate(fold: Recording, model: str, seed: int) -> Outcome:
    """Train the float IND on the fold and decode its test windows, once. `model` is the row's name: ind."""
    begin = time.process_time()
    design = design_for(fold)
    trained, found = float_ind(fold, design, seed)
    train_s = time.process_time() - begin
    outputs = predict(trained.model, trained.parts["test"]).numpy()
    return outcome(design, trained, found, outputs, train_s)


def outcome(design: Design, trained: Trained, found: DecodingSet, outputs: np.ndarray, train_s: float) -> Outcome:
    """What the benchmark wants to know; outputs [test windows, outputs]: logits or standardised values."""
    test = found.windows_of("test")
    wanted = found.window_target[test] if found.regression else found.window_label[test]
    windows = len(found.window_label) - len(test)
    macs = macs_per_decision(design) + bank_macs(design)
    return Outcome(decoded(outputs, trained), wanted, windows, parameters(design), macs, train_s)
