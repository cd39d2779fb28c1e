"""Any network of braindecode as a teacher: `braindecode:EEGConformer`, `braindecode:EEGNet`, `braindecode:Deep4Net`, ...

Its windows are band-passed and resampled as those of the baselines (models.baselines.eeg_network), its sizes braindecode's own
defaults. What enters its last layer is the embedding (models.teachers.linear_end). Weights, where a file of them is given, are
those of a network of the same sizes, all but its last layer, which stays new.
"""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from models.augment import Augmentation
from models.baselines.audio_placeholder import import_braindecode
from models.baselines.eeg_network import BAND, RATE_HZ
from models.teachers.linear_end import take_end
from models.teachers.resampling import resampled
from models.teachers.teacher import Teacher, TeacherError, TeacherTask, TeacherTraining
from models.teachers.weights_file import load_weights

PREFIX = "braindecode:"


class BraindecodeTeacher(Teacher):
    """The network called `network` in braindecode.models, with the pre-trained `weights` or untrained."""

    tasks = ("classes", "targets")
    kinds = ("voltage",)
    takes_weights = True

    def __init__(self, task: TeacherTask, network: str, weights: Path | None = None):
        super().__init__(task)
        self.name = f"{PREFIX}{network}"
        samples = round(task.rows * RATE_HZ / task.sample_hz)
        self.net = built(network, task, samples)
        example = torch.randn(2, task.channels, samples, generator=torch.Generator().manual_seed(0))
        end = take_end(self.net, self.net, example, task.outputs)
        if end is None:
            raise TeacherError(f"teacher {self.name} does not end in a linear readout of an embedding; use another")
        self.tap, self.readout = end
        if weights is not None:
            load_weights(self.net, weights)  # its last layer is taken out already
        self.net.train()

    @classmethod
    def made(
        cls, name: str, task: TeacherTask, *, spatial: Tensor | None = None, weights: Path | None = None, **sizes: float
    ) -> "BraindecodeTeacher":
        if sizes:
            raise TeacherError(f"teacher {name} has the sizes that braindecode gives it; leave out {', '.join(sizes)}")
        return cls(task, name.removeprefix(PREFIX), weights)

    @classmethod
    def training_for(cls, task: TeacherTask) -> TeacherTraining:
        return TeacherTraining(
            steps=450, batch=32, weight_decay=0.01, smoothing=0.0, augmentation=Augmentation(0.0, 0.0, 0.0, 0.0)
        )

    def embedding(self, signal: Tensor) -> Tensor:
        self.net(resampled(signal.transpose(1, 2), self.task.sample_hz, RATE_HZ, BAND))
        return self.tap.entered


def built(network: str, task: TeacherTask, samples: int) -> nn.Module:
    """The untrained network for windows of `samples` at RATE_HZ. TeacherError, one line, whatever braindecode stumbles over."""
    models = import_braindecode("braindecode.models")
    made = getattr(models, network, None)
    if not (isinstance(made, type) and issubclass(made, nn.Module)):
        raise TeacherError(
            f"teacher {PREFIX}{network} is unknown: braindecode.models has no {network}; use EEGConformer or EEGNet"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net: nn.Module = made(n_chans=task.channels, n_outputs=task.outputs, n_times=samples, sfreq=RATE_HZ)
            net.eval()(torch.zeros(2, task.channels, samples))
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise TeacherError(
            f"teacher {PREFIX}{network} cannot be built for windows of {task.channels} channels and {samples} samples "
            f"({reason}); use another"
        ) from error
    return net
