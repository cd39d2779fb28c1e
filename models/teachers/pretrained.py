"""Foundation models of EEG as teachers, through braindecode: LaBraM (Jiang et al. 2024) and EEGPT (Wang et al. 2024).

Their weights, published as model.safetensors, are read from a file; the head is new. Windows are resampled to the rate that a
model was pre-trained at, and channels are matched by name. Each takes signals in a unit of its own; ours have deviation 1, so
`level` brings them to about the size of ordinary EEG there: our reading.
"""

import warnings
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from models.augment import Augmentation
from models.baselines.audio_placeholder import import_braindecode
from models.teachers.linear_end import take_end
from models.teachers.resampling import resampled
from models.teachers.teacher import Teacher, TeacherError, TeacherTask, TeacherTraining
from models.teachers.weights_file import load_weights

NAMED_AT_MOST = 6


class PretrainedTeacher(Teacher):
    """What both have in common. weights None: untrained, for tests and for a file of our own that is loaded behind it."""

    tasks = ("classes", "targets")
    kinds = ("voltage",)
    takes_weights = True
    rate_hz: ClassVar[float]
    level: ClassVar[float]
    network: ClassVar[str]
    own: ClassVar[tuple[str, ...]]
    """Prefixes of weights that no file gives."""
    cropped: ClassVar[tuple[str, ...]] = ()

    def __init__(self, task: TeacherTask, weights: Path | None = None, **sizes: float):
        super().__init__(task, **sizes)
        self.names = self.known_names(task.electrodes)
        self.net = self.built(self.length(), **sizes)
        if weights is not None:
            load_weights(self.net, weights, own=self.own, cropped=self.cropped)
        example = torch.randn(2, task.channels, self.length(), generator=torch.Generator().manual_seed(0))
        end = take_end(self.net, self.run, example, task.outputs)
        if end is None:
            raise TeacherError(f"teacher {self.name} does not end in a linear readout in this braindecode; use version 1.8")
        self.tap, self.readout = end
        self.net.train()

    @classmethod
    def made(
        cls, name: str, task: TeacherTask, *, spatial: Tensor | None = None, weights: Path | None = None, **sizes: float
    ) -> "PretrainedTeacher":
        if weights is None:
            raise TeacherError(f"teacher {name} needs pre-trained weights; give its model.safetensors with --weights")
        return cls(task, weights, **sizes)

    @classmethod
    def training_for(cls, task: TeacherTask) -> TeacherTraining:
        return TeacherTraining(steps=200, batch=32, learning_rate=1e-4, augmentation=Augmentation(0.1, 0.1, 0.1, 0.4))

    def length(self) -> int:
        """Samples of a window at `rate_hz`."""
        return round(self.task.rows * self.rate_hz / self.task.sample_hz)

    def known_names(self, electrodes: tuple[str, ...]) -> list[str]:
        """The electrodes as the model calls them; TeacherError for those that it does not know."""
        known = {name.casefold(): name for name in self.vocabulary()}
        strange = [name for name in electrodes if name.casefold() not in known]
        if strange:
            more = f" and {len(strange) - NAMED_AT_MOST} more" if len(strange) > NAMED_AT_MOST else ""
            raise TeacherError(
                f"teacher {self.name} does not know electrode {', '.join(strange[:NAMED_AT_MOST])}{more}; "
                f"rename channels to the 10-20 system, or use another teacher"
            )
        return [known[name.casefold()] for name in electrodes]

    def embedding(self, signal: Tensor) -> Tensor:
        self.run(self.level * resampled(signal.transpose(1, 2), self.task.sample_hz, self.rate_hz)[..., -self.length() :])
        return self.tap.entered

    @abstractmethod
    def vocabulary(self) -> list[str]:
        """The electrodes that the model knows."""

    @abstractmethod
    def built(self, samples: int, **sizes: float) -> nn.Module:
        """The untrained network for windows of `samples` at `rate_hz`, behind a new head of one linear layer."""

    @abstractmethod
    def run(self, windows: Tensor) -> Tensor:
        """windows [batch, channels, length] -> what the network gives."""

    def _quietly(self, make: Callable[[], nn.Module]) -> nn.Module:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return make()
        except (ValueError, RuntimeError, TypeError, AssertionError) as error:
            reason = " ".join(str(error).split())[:120]
            raise TeacherError(f"teacher {self.name} cannot be built for this recording ({reason}); use another") from error


class LabramTeacher(PretrainedTeacher):
    """LaBraM: patches of one second at 200 Hz, in units of 0.1 mV; windows give their last whole seconds."""

    name = "labram"
    network = "Labram"
    rate_hz, level = 200.0, 0.1
    own = ("final_layer.",)
    cropped = ("temporal_embedding",)
    PATCH = 200

    def length(self) -> int:
        whole = super().length() // self.PATCH
        if whole < 1:
            raise TeacherError("teacher labram reads whole seconds, but the window is shorter; use another teacher")
        return whole * self.PATCH

    def vocabulary(self) -> list[str]:
        return list(import_braindecode("braindecode.models.labram").LABRAM_CHANNEL_ORDER)

    def built(self, samples: int, **sizes: float) -> nn.Module:
        made = import_braindecode("braindecode.models").Labram
        return self._quietly(
            lambda: made(n_times=samples, n_outputs=self.task.outputs, n_chans=self.task.channels, sfreq=self.rate_hz, **sizes)
        )

    def run(self, windows: Tensor) -> Tensor:
        found: Tensor = self.net(windows, ch_names=self.names)
        return found


class EegptTeacher(PretrainedTeacher):
    """EEGPT: patches of 64 samples at 256 Hz over its 19 channels, onto which a new layer of 1 x 1 convolutions projects ours.

    braindecode's own probe in two linear steps has no single readout, so one linear layer over all summaries stands there.
    """

    name = "eegpt"
    network = "EEGPT"
    rate_hz, level = 256.0, 1.0
    own = ("final_layer.", "chan_proj.", "chans_id")

    def vocabulary(self) -> list[str]:
        return list(self.task.electrodes)

    def built(self, samples: int, **sizes: float) -> nn.Module:
        made = import_braindecode("braindecode.models").EEGPT

        def net() -> nn.Module:
            found: nn.Module = made(
                n_times=samples, n_outputs=self.task.outputs, n_chans=self.task.channels, sfreq=self.rate_hz, **sizes
            )
            summaries = int(found.flattened_encoder_output_dim)  # type: ignore[arg-type]
            found.final_layer = nn.Sequential(nn.Flatten(1), nn.Linear(summaries, self.task.outputs))
            return found

        return self._quietly(net)

    def run(self, windows: Tensor) -> Tensor:
        found: Tensor = self.net(windows)
        return found
