"""A transformer over binned spikes, after the neural data transformer (Ye and Pandarinath 2021): masked bins, then a readout.

Without labels it learns the rates of hidden bins from the others under a Poisson likelihood. Of features, which are no counts,
it guesses the standardised values under squared error. The readout sees the state of the window's last bin (classes: the mean
over bins) and, beside it, a linear map of the whole window, so that a regressor of counts can start as ridge regression and go
on from there. Sizes, masks, the linear map and that a bin may look at all others are our choice.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.augment import Augmentation
from models.linear_start import ridge
from models.standardise import Standardisation
from models.teachers.encoder import Encoder
from models.teachers.masking import hidden_tokens
from models.teachers.teacher import Teacher, TeacherTask, TeacherTraining
from models.window_tensors import WindowTensors

HIDDEN_SHARE, HIDDEN_RUN = 0.25, 1


class NdtTeacher(Teacher):
    """Bins -> encoder -> last bin's state, times a gain that starts at zero, and `outputs` linear values -> readout."""

    name = "ndt"
    tasks = ("classes", "targets")
    kinds = ("counts", "features")
    centre: Tensor
    scale: Tensor

    def __init__(
        self,
        task: TeacherTask,
        *,
        width: int = 96,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.2,
    ):
        super().__init__(task, width=width, layers=layers, heads=heads, dropout=dropout)
        self.counts, self.regression = task.kind == "counts", task.regression
        self.register_buffer("centre", torch.zeros(task.channels))
        self.register_buffer("scale", torch.ones(task.channels))
        self.embed = nn.Linear(task.channels, width)
        self.position = nn.Parameter(0.02 * torch.randn(task.rows, width))
        self.encoder = Encoder(width, layers, heads, dropout)
        self.rates = nn.Linear(width, task.channels)
        self.drop = nn.Dropout(dropout)
        self.linear = nn.Linear(task.rows * task.channels, task.outputs)
        self.gain = nn.Parameter(torch.zeros(width) if self.counts else torch.ones(width))
        self.readout = nn.Linear(task.outputs + width, task.outputs)

    @classmethod
    def training_for(cls, task: TeacherTask) -> TeacherTraining:
        augmentation = (
            Augmentation(0.0, 0.3, 0.3, 0.0, bursts=0.02) if task.kind == "counts" else Augmentation(0.5, 0.3, 0.0, 0.5)
        )
        return TeacherTraining(pretrain_steps=200, steps=600, augmentation=augmentation)

    def prepare(self, offline: WindowTensors, standardisation: Standardisation) -> None:
        """Keep how tokens were standardised, to find the counts again."""
        self.centre.copy_(standardisation.centre)
        self.scale.copy_(standardisation.scale)

    def pretraining_loss(self, signal: Tensor, draw: torch.Generator) -> Tensor:
        """Of the hidden bins; they are shown as zero, the level of a standardised channel."""
        hidden = hidden_tokens(len(signal), signal.shape[1], HIDDEN_SHARE, HIDDEN_RUN, draw)
        found = self.rates(self._states(signal.masked_fill(hidden[..., None], 0.0))[hidden])
        if not self.counts:
            return functional.mse_loss(found, signal[hidden])
        counts = (signal * self.scale + self.centre)[hidden].round().clamp_min(0)
        return functional.poisson_nll_loss(found, counts)

    @torch.no_grad()
    def start(self, offline: WindowTensors) -> None:
        """Regressors of counts: as ridge regression on all bins of the window. Of features it misleads more than it helps."""
        if not (self.regression and self.counts):
            return
        weight, bias = ridge(offline)
        self.linear.weight.copy_(weight.flatten(1))
        self.linear.bias.copy_(bias)
        self.readout.bias.zero_()
        self.readout.weight[:, : len(bias)] = torch.eye(len(bias))

    def embedding(self, signal: Tensor) -> Tensor:
        states = self._states(signal)
        last = states[:, -1] if self.regression else states.mean(dim=1)
        return torch.cat([self.linear(signal.flatten(1)), self.drop(self.gain * last)], dim=1)

    def _states(self, signal: Tensor) -> Tensor:
        states: Tensor = self.encoder(self.drop(self.embed(signal) + self.position))
        return states
