"""The default recording of designs that start from spike counts: a hand that moves, and units that are tuned to it.

Source: this generator; no licence, no subject. Any number of units, bins per second and values to decode. In every session:

- movement: each value is noise of 0.1 to 0.8 Hz, in units of its own deviation, so that reaches of about a second follow each
  other;
- units: a preferred direction each, a base rate of 1 to 20 spikes/s (log-normal), a depth of tuning, and a lead of 0 to 200 ms
  before the movement; the rate is the base rate times the exponential of how well direction and movement agree;
- what the movement does not explain: slow common excitation, Poisson counts, one unit in ten without any tuning;
- drift: base rates differ from session to session, and wander within one.
"""

import numpy as np
from scipy import fft

from designs.schema import Design
from models.recording import Recording, Session

TRAINING_SESSIONS = 3
SESSION_S = 300
LEAD_S = 0.2
SLOWEST_HZ, FASTEST_HZ = 0.1, 0.8
UNTUNED = 0.1


def generate_counts(design: Design, seed: int = 0) -> Recording:
    """Three training sessions and one test session for `design`; the same seed gives the same counts."""
    spec, outputs = design.tokenizer, design.model.outputs
    rng = np.random.default_rng([seed, 0])
    direction = rng.standard_normal((outputs, spec.channels))
    direction /= np.linalg.norm(direction, axis=0)
    depth = rng.uniform(0.3, 0.8, spec.channels) * (rng.random(spec.channels) >= UNTUNED)
    rate = np.clip(rng.lognormal(1.5, 0.7, spec.channels), 1.0, 20.0)
    lead = rng.integers(0, round(LEAD_S * spec.sample_hz) + 1, spec.channels)
    sessions = tuple(
        _session(f"day{day}", spec.sample_hz, direction * depth, rate, lead, np.random.default_rng([seed, day]))
        for day in range(1, TRAINING_SESSIONS + 2)
    )
    return Recording(
        source=f"generated spike counts, seed {seed}",
        kind="counts",
        sample_hz=float(spec.sample_hz),
        electrodes=design.tokenizer.electrodes or tuple(f"U{i + 1}" for i in range(spec.channels)),
        label_names=(),
        sessions=sessions,
        decide_s=0.0,
        test_sessions=(sessions[-1].name,),
    )


def _session(
    name: str, sample_hz: int, tuning: np.ndarray, rate: np.ndarray, lead: np.ndarray, rng: np.random.Generator
) -> Session:
    """tuning [outputs, units], rate [units] in spikes/s, lead [units] in bins."""
    bins = SESSION_S * sample_hz
    movement = _noise(bins, len(tuning), sample_hz, rng, SLOWEST_HZ, FASTEST_HZ)
    shared = _noise(bins, 1, sample_hz, rng, 0.02, 0.3)
    wander = _noise(bins, len(rate), sample_hz, rng, 0.002, 0.02)
    agreement = movement @ tuning
    ahead = np.stack([np.roll(column, -int(bins_ahead)) for column, bins_ahead in zip(agreement.T, lead, strict=True)], axis=1)
    base = np.log(rate) + rng.normal(0, 0.15, len(rate))
    counts = rng.poisson(np.exp(np.clip(base + ahead + 0.2 * shared + 0.1 * wander, -6, 5)) / sample_hz)
    none = np.zeros(0, np.int64)
    return Session(name, counts.astype(np.float32), none, none, movement.astype(np.float32))


def _noise(length: int, columns: int, sample_hz: int, rng: np.random.Generator, low_hz: float, high_hz: float) -> np.ndarray:
    """float64 [length, columns] of unit variance, of the frequencies between the two."""
    hz = fft.rfftfreq(length, 1 / sample_hz)
    inside = (hz >= low_hz) & (hz <= high_hz)
    spectrum = np.where(inside[:, None], rng.standard_normal((2, len(hz), columns)), 0.0)
    course = fft.irfft(spectrum[0] + 1j * spectrum[1], length, axis=0)
    return np.asarray(course / np.maximum(course.std(axis=0), 1e-12))
