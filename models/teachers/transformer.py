"""A large transformer over patches of the raw signal: it learns to guess hidden patches of offline windows, then to decide.

A token is one patch of about PATCH_S of all channels behind a spatial mix: its samples, and beside them the logarithm of their
power by frequency, for what tells movements apart in voltages is power. Masked reconstruction is after He et al. 2022 and, for
EEG, Jiang et al. 2024 (LaBraM), which predicts spectra of patches; sizes, mask and the sum of both errors are our choice.

With a few hundred trials a network started at random ends below linear discriminants of band power. So a classifier starts as
one, of the window's mean powers: `outputs` dimensions of the embedding are a linear map of these, and the readout of the
encoder's starts at zero.
"""

import math
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.augment import Augmentation
from models.linear_start import discriminant
from models.standardise import Standardisation
from models.teachers.encoder import Encoder
from models.teachers.linear_end import start_readout
from models.teachers.masking import hidden_tokens
from models.teachers.teacher import EMBED_AT_ONCE, Teacher, TeacherTask, TeacherTraining
from models.window_tensors import WindowTensors

PATCH_S = 0.2
FINE_HZ = 40.0
"""Powers of single frequencies up to here, of bands of a quarter octave above."""
HIDDEN_SHARE, HIDDEN_RUN = 0.4, 2
SILENCE = 1e-2
"""Power of samples of deviation 1 below which a band counts as silent."""
LEAST_SPREAD = 0.25
"""Deviation of a log power, at least: a band that is always silent must not shout once it is not."""
PREPARED_WINDOWS = 512


class TransformerTeacher(Teacher):
    """Mean over patches of their powers, and of what the encoder makes of them -> readout. spatial [mixes, channels]: where the
    mix of channels starts; None: at the channels themselves."""

    name = "transformer"
    tasks = ("classes", "targets")
    kinds = ("voltage",)
    centre: Tensor
    scale: Tensor
    bands: Tensor
    taper: Tensor

    def __init__(
        self,
        task: TeacherTask,
        spatial: Tensor | None = None,
        *,
        mixes: int = 0,
        width: int = 96,
        layers: int = 3,
        heads: int = 4,
        dropout: float = 0.4,
    ):
        start = torch.eye(mixes or task.channels, task.channels) if spatial is None else spatial
        super().__init__(task, mixes=len(start), width=width, layers=layers, heads=heads, dropout=dropout)
        self.mix = nn.Parameter(start.clone())
        self.patch = max(2, round(PATCH_S * task.sample_hz))
        self.patches = max(1, task.rows // self.patch)
        self.register_buffer("bands", frequency_bands(2 * self.patch, task.sample_hz), persistent=False)
        self.register_buffer("taper", torch.hann_window(2 * self.patch), persistent=False)
        self.register_buffer("centre", torch.zeros(len(start) * len(self.bands)))
        self.register_buffer("scale", torch.ones(len(start) * len(self.bands)))
        self.embed_samples = nn.Linear(len(start) * self.patch, width)
        self.embed_powers = nn.Linear(len(start) * len(self.bands), width)
        self.position = nn.Parameter(0.02 * torch.randn(self.patches, width))
        self.mask = nn.Parameter(torch.zeros(width))
        self.encoder = Encoder(width, layers, heads, dropout)
        self.linear = nn.Linear(self.embed_powers.in_features, task.outputs)
        self.guess_samples = nn.Linear(width, self.embed_samples.in_features)
        self.guess_powers = nn.Linear(width, self.embed_powers.in_features)
        self.drop = nn.Dropout(dropout)
        self.readout = nn.Linear(task.outputs + width, task.outputs)

    @classmethod
    def made(
        cls, name: str, task: TeacherTask, *, spatial: Tensor | None = None, weights: Path | None = None, **sizes: float
    ) -> "TransformerTeacher":
        return cls(task, spatial, **sizes)  # type: ignore[arg-type]

    @classmethod
    def training_for(cls, task: TeacherTask) -> TeacherTraining:
        return TeacherTraining(
            pretrain_steps=150,
            steps=150,
            batch=32,
            learning_rate=2e-4,
            weight_decay=0.1,
            augmentation=Augmentation(0.0, 0.0, 0.0, 0.2),
        )

    @torch.no_grad()
    def prepare(self, offline: WindowTensors, standardisation: Standardisation) -> None:
        """Bring every mix to deviation 1, and standardise powers, by what the offline windows show."""
        chosen = torch.linspace(0, len(offline) - 1, min(len(offline), PREPARED_WINDOWS)).long()
        mixed = offline.batch(chosen)[0] @ self.mix.T
        deviation = mixed.flatten(0, 1).std(dim=0)
        self.mix.div_(torch.where(deviation > 0, deviation, 1.0)[:, None])
        powers = self._powers(mixed / torch.where(deviation > 0, deviation, 1.0)).flatten(0, 1)
        self.centre.copy_(powers.mean(dim=0))
        self.scale.copy_(powers.std(dim=0).clamp_min(LEAST_SPREAD))

    def pretraining_loss(self, signal: Tensor, draw: torch.Generator) -> Tensor:
        """Squared error of the hidden patches' samples and standardised powers."""
        samples, powers = self._tokens(signal)
        hidden = hidden_tokens(len(signal), self.patches, HIDDEN_SHARE, HIDDEN_RUN, draw)
        embedded = self._embedded(samples, powers).masked_fill(hidden[..., None], 0.0) + hidden[..., None] * self.mask
        found = self.encoder(embedded + self.position)[hidden]
        power_error = functional.mse_loss(self.guess_powers(found), powers.detach()[hidden])
        return power_error + functional.mse_loss(self.guess_samples(found), samples.detach()[hidden])

    @torch.no_grad()
    def start(self, offline: WindowTensors) -> None:
        """Classifiers: as the shrinkage discriminant of the window's mean powers, in the first dimensions of the embedding."""
        if self.task.regression:
            return
        parts = torch.arange(len(offline)).split(EMBED_AT_ONCE)
        means = torch.cat([self._tokens(offline.batch(part)[0])[1].mean(dim=1) for part in parts])
        windows = WindowTensors(means, torch.arange(len(means))[:, None], offline.label)
        weight, bias = discriminant(windows, self.task.outputs)
        self.linear.weight.copy_(weight[:, 0])
        self.linear.bias.copy_(bias)
        start_readout(self.readout)
        self.linear.requires_grad_(False)  # so many weights would learn the windows by heart before the encoder begins

    def embedding(self, signal: Tensor) -> Tensor:
        samples, powers = self._tokens(signal)
        states = self.encoder(self.drop(self._embedded(samples, powers) + self.position))
        return torch.cat([self.linear(powers.mean(dim=1)), self.drop(states.mean(dim=1))], dim=1)

    def _embedded(self, samples: Tensor, powers: Tensor) -> Tensor:
        embedded: Tensor = self.embed_samples(samples) + self.embed_powers(powers)
        return embedded

    def _tokens(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """signal [batch, rows, channels] -> samples [batch, patches, mixes * patch], powers [batch, patches, mixes * bands]."""
        mixed = signal @ self.mix.T
        kept = mixed[:, -self.patches * self.patch :] if mixed.shape[1] >= self.patch else mixed
        samples = kept.unflatten(1, (self.patches, -1)).transpose(2, 3).flatten(2)
        return samples, Standardisation(self.centre, self.scale)(self._powers(mixed))

    def _powers(self, mixed: Tensor) -> Tensor:
        """Logarithm of the power by band of every patch and half a patch to either side, mirrored at the window's ends."""
        kept = mixed[:, -self.patches * self.patch :].transpose(1, 2)
        padded = functional.pad(kept, (self.patch // 2, self.patch - self.patch // 2), mode="reflect")
        stretches = padded.unfold(2, 2 * self.patch, self.patch) * self.taper
        power = torch.fft.rfft(stretches, dim=-1).abs().square() / self.taper.square().sum()
        return (power @ self.bands.T + SILENCE).log().transpose(1, 2).flatten(2)


def frequency_bands(samples: int, sample_hz: float) -> Tensor:
    """[bands, frequencies of a real spectrum of `samples`]: means over neighbours, without 0 and the top tenth."""
    step, count = sample_hz / samples, samples // 2 + 1
    last = max(2, int(0.45 * samples) + 1)
    edges = [1]
    while edges[-1] < last:
        fine = edges[-1] * step < FINE_HZ
        edges.append(min(last, edges[-1] + 1 if fine else math.ceil(edges[-1] * 2**0.25)))
    bands = torch.zeros(len(edges) - 1, count)
    for row, (low, high) in enumerate(pairwise(edges)):
        bands[row, low:high] = 1 / (high - low)
    return bands
