"""A transformer over binned spikes, after the neural data transformer (Ye and Pandarinath 2021): masked bins, then a readout.

Without labels it learns the rates of hidden bins from the others under a Poisson likelihood. Of features, which are no counts,
it guesses the standardised values under squared error. The readout sees a layer over the states of all bins. Sizes, masks, that
layer and that a bin may look at all others are our choice. A start as ridge regression beside it was tried and ended lower.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.augment import Augmentation
from models.standardise import Standardisation
from models.teachers.encoder import Encoder
from models.teachers.masking import hidden_tokens
from models.teachers.teacher import Teacher, TeacherTask, TeacherTraining
from models.window_tensors import WindowTensors

HIDDEN_SHARE, HIDDEN_RUN = 0.25, 1
INPUTS_LOST = 0.3
"""Share of single values that training takes away."""


class NdtTeacher(Teacher):
    """Bins -> encoder -> one layer over all states -> readout."""

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
        dropout: float = 0.1,
    ):
        super().__init__(task, width=width, layers=layers, heads=heads, dropout=dropout)
        self.counts = task.kind == "counts"
        self.register_buffer("centre", torch.zeros(task.channels))
        self.register_buffer("scale", torch.ones(task.channels))
        self.embed = nn.Linear(task.channels, width)
        self.position = nn.Parameter(0.02 * torch.randn(task.rows, width))
        self.encoder = Encoder(width, layers, heads, dropout)
        self.rates = nn.Linear(width, task.channels)
        self.drop, self.drop_inputs = nn.Dropout(dropout), nn.Dropout(INPUTS_LOST)
        self.gather = nn.Linear(task.rows * width, width)
        self.readout = nn.Linear(width, task.outputs)

    @classmethod
    def training_for(cls, task: TeacherTask) -> TeacherTraining:
        if task.kind == "counts":
            return TeacherTraining(100, 1000, batch=128, weight_decay=0.01, augmentation=Augmentation(0.0, 0.0, 0.0, 0.0))
        return TeacherTraining(100, 250, augmentation=Augmentation(1.0, 0.3, 0.0, 1.0))

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

    def embedding(self, signal: Tensor) -> Tensor:
        states = self._states(signal)
        return self.drop(functional.gelu(self.gather(states.flatten(1))))

    def _states(self, signal: Tensor) -> Tensor:
        states: Tensor = self.encoder(self.embed(self.drop_inputs(signal)) + self.position)
        return states
