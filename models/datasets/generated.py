"""The default recording: a synthetic ECoG grid over motor cortex, made anew from a seed.

Source: this generator; no licence, no subject. Any channel count, sampling rate and number of classes that a design asks for.
What a session is made of, every part drawn independently for each session:

- background: noise of amplitude 1/f (power 1/f^2), correlated between neighbouring electrodes of a square grid
  (exp(-distance / 1.5 pitches)), plus a white amplifier floor;
- rhythms: mu (8-13 Hz) and beta (16-28 Hz) noise; around a movement both shrink (desynchronisation), broadly over the class's
  electrodes and, less so, over its neighbours';
- high gamma (0.12 to 0.24 of the sampling rate, 72-144 Hz at 600 Hz) that grows in a burst, narrowly at the class's electrodes;
- movements: classes are balanced and shuffled; the effect begins 0.1 to 0.35 s after the cue, and its size differs from
  trial to trial (log-normal), so that some trials are all but empty; bursts of the same kind come and go unlabelled;
- drift: electrode gains differ from session to session and wander slowly within one, and the class's electrodes shift a little;
- line noise at 50 Hz and its third harmonic, with its own strength at every electrode.

Units are microvolt at the electrode. The 12-bit converter behind it is models.converter, as for every other recording.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from designs.schema import Design
from models.recording import Recording, Session

CLASS_NAMES = ("hand", "foot", "tongue", "shoulder", "elbow", "wrist", "thumb", "knee")
TRAINING_TRIALS = 160
TEST_TRIALS = 240
TRAINING_SESSIONS = 3


@dataclass(frozen=True)
class Scene:
    """What all sessions share: the electrode grid, where each class acts, and how strongly.

    distance [channels, channels] in electrode pitches; centre [classes, 2] on the same grid.
    """

    channels: int
    classes: int
    sample_hz: int
    window_s: float
    background_uv: float = 25.0
    rhythm_uv: float = 14.0
    gamma_uv: float = 3.0
    floor_uv: float = 1.5
    line_uv: float = 6.0
    desynchronisation: float = 0.55
    burst: float = 1.2
    size_spread: float = 0.55

    @property
    def positions(self) -> np.ndarray:
        """float64 [channels, 2]: row by row on the smallest square grid."""
        side = int(np.ceil(np.sqrt(self.channels)))
        return np.stack(np.divmod(np.arange(self.channels), side), axis=1).astype(np.float64)

    def centres(self, rng: np.random.Generator) -> np.ndarray:
        """float64 [classes, 2]: electrodes far from each other, chosen one after the other."""
        places = self.positions
        chosen = [int(rng.integers(self.channels))]
        while len(chosen) < self.classes:
            nearest = np.linalg.norm(places[:, None] - places[chosen], axis=2).min(axis=1)
            chosen.append(int(np.argmax(nearest + 1e-3 * rng.random(self.channels))))
        return places[chosen]

    def mixing(self) -> np.ndarray:
        """float32 [channels, channels]: white in, spatially correlated out, unit variance."""
        places = self.positions
        distance = np.linalg.norm(places[:, None] - places[None], axis=2)
        return np.linalg.cholesky(np.exp(-distance / 1.5) + 1e-6 * np.eye(self.channels)).T.astype(np.float32)


def scene_of(design: Design) -> Scene:
    """The scene that gives `design` what it takes."""
    tokenizer, model = design.tokenizer, design.model
    return Scene(tokenizer.channels, model.outputs, tokenizer.sample_hz, model.tokens * tokenizer.token_ms / 1000)


def generate(design: Design, seed: int = 0) -> Recording:
    """Three training sessions and one test session for `design`; the same seed gives the same microvolts."""
    scene = scene_of(design)
    centres = scene.centres(np.random.default_rng([seed, 0]))
    trials = [TRAINING_TRIALS] * TRAINING_SESSIONS + [TEST_TRIALS]
    sessions = tuple(
        _session(scene, centres, f"day{day}", count, np.random.default_rng([seed, day]))
        for day, count in enumerate(trials, start=1)
    )
    electrodes = design.tokenizer.electrodes or tuple(f"E{i + 1}" for i in range(scene.channels))
    names = tuple(CLASS_NAMES[i] if i < len(CLASS_NAMES) else f"movement{i + 1}" for i in range(scene.classes))
    return Recording(
        source=f"generated ECoG, seed {seed}",
        kind="voltage",
        sample_hz=float(scene.sample_hz),
        electrodes=electrodes,
        label_names=names,
        sessions=sessions,
        decide_s=scene.window_s + 0.2,
        test_sessions=(sessions[-1].name,),
    )


def _session(scene: Scene, centres: np.ndarray, name: str, trials: int, rng: np.random.Generator) -> Session:
    pause_s = rng.uniform(0.8, 1.2, trials)
    onset = np.cumsum(np.append(1.0, (scene.window_s + pause_s)[:-1])) * scene.sample_hz
    onset = onset.astype(np.int64)
    length = int(onset[-1] + (scene.window_s + 1.0) * scene.sample_hz)
    label = rng.permutation(np.arange(trials) % scene.classes)
    moved = centres + rng.normal(0, 0.15, centres.shape)
    distance = np.linalg.norm(scene.positions[:, None] - moved[None], axis=2)
    narrow, broad = np.exp(-0.5 * (distance / 0.6) ** 2).T, np.exp(-0.5 * (distance / 1.6) ** 2).T
    effort = _effort(scene, onset, label, length, rng)
    mixing = scene.mixing()

    samples = scene.background_uv * (_noise(length, scene, rng, 1.0, 0.5 * scene.sample_hz, slope=1.0) @ mixing)
    for low_hz, high_hz, share in ((8.0, 13.0, 1.0), (16.0, 28.0, 0.6)):
        rhythm = _noise(length, scene, rng, low_hz, high_hz) @ mixing
        rhythm *= np.exp(-scene.desynchronisation * (effort @ broad.astype(np.float32)))
        samples += scene.rhythm_uv * share * rhythm
    gamma = _noise(length, scene, rng, 0.12 * scene.sample_hz, 0.24 * scene.sample_hz)
    gamma *= 1 + scene.burst * (effort @ narrow.astype(np.float32))
    samples += scene.gamma_uv * gamma
    samples += scene.floor_uv * rng.standard_normal(samples.shape, dtype=np.float32)
    samples *= _drift(scene, length, rng)
    samples += _line(scene, length, rng)
    return Session(name, samples, onset, label)


def _noise(
    length: int, scene: Scene, rng: np.random.Generator, low_hz: float, high_hz: float, slope: float = 0.0
) -> np.ndarray:
    """float32 [length, channels] of unit variance, amplitude spectrum f ** -slope between the two frequencies."""
    size = fft.next_fast_len(length, real=True)
    hz = fft.rfftfreq(size, 1 / scene.sample_hz)
    inside = np.flatnonzero((hz >= low_hz) & (hz <= high_hz))
    gain = (hz[inside] ** -slope).astype(np.float32)
    spectrum = np.zeros((scene.channels, len(hz)), np.complex64)
    drawn = rng.standard_normal((scene.channels, len(inside), 2), dtype=np.float32).view(np.complex64)[..., 0]
    spectrum[:, inside] = drawn * (gain * np.float32(size / 2 / np.sqrt((gain**2).sum())))
    return np.ascontiguousarray(fft.irfft(spectrum, size, axis=1)[:, :length].T)


def _effort(scene: Scene, onset: np.ndarray, label: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """float32 [length, classes]: how strongly each movement is being made; 1 is a typical trial's peak."""
    effort = np.zeros((length, scene.classes), np.float32)
    size = rng.lognormal(-0.5 * scene.size_spread**2, scene.size_spread, len(onset))
    begin = onset + (rng.uniform(0.1, 0.35, len(onset)) * scene.sample_hz).astype(np.int64)
    last = int(scene.window_s * rng.uniform(0.7, 1.0) * scene.sample_hz)
    for start, movement, strength in zip(begin, label, size, strict=True):
        _add_bump(effort[:, movement], start, last, strength)
    for _ in range(len(onset) // 2):  # unlabelled movements, short and weak
        start, movement = int(rng.integers(length)), int(rng.integers(scene.classes))
        _add_bump(effort[:, movement], start, int(last * 0.4), 0.6 * rng.random())
    return effort


def _add_bump(course: np.ndarray, start: int, samples: int, strength: float) -> None:
    end = min(start + samples, len(course))
    ramp = np.sin(np.pi * (np.arange(end - start) + 0.5) / samples)
    course[start:end] += np.float32(strength) * np.sqrt(ramp).astype(np.float32)


def _drift(scene: Scene, length: int, rng: np.random.Generator) -> np.ndarray:
    """float32 [length, channels]: electrode gain, log-normal from session to session and wandering over minutes."""
    gain = np.exp(rng.normal(0, 0.08, scene.channels))
    knots = max(2, int(length / scene.sample_hz / 60) + 2)
    wander = np.cumsum(rng.normal(0, 0.02, (knots, scene.channels)), axis=0)
    place = np.linspace(0, knots - 1, length)
    slow = np.stack([np.interp(place, np.arange(knots), wander[:, c]) for c in range(scene.channels)], axis=1)
    return (gain * np.exp(slow)).astype(np.float32)


def _line(scene: Scene, length: int, rng: np.random.Generator) -> np.ndarray:
    """float32 [length, channels]: 50 Hz and, where it fits below half the sampling rate, 150 Hz."""
    time_s = np.arange(length) / scene.sample_hz
    wave = np.zeros(length)
    for hz, share in ((50.0, 1.0), (150.0, 0.2)):
        if hz < 0.5 * scene.sample_hz:
            wave += share * np.sin(2 * np.pi * hz * time_s + rng.uniform(0, 2 * np.pi))
    return np.outer(wave, scene.line_uv * rng.uniform(0.2, 1.0, scene.channels)).astype(np.float32)
