"""What the EEG networks of braindecode have in common: their input, their training, their arrays.

Input: each window band-passed from 4 to 40 Hz, resampled to RATE_HZ, scaled per channel by what the training windows show.
"""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from scipy.signal import resample
from torch import nn

from models.baselines.audio_placeholder import import_braindecode
from models.baselines.bands import band_passed, end_sample, filter_macs, start_sample
from models.baselines.model import Baseline, BaselineError
from models.baselines.network_training import Training, arrays_of, fit_network, load_arrays, network_macs, outputs_of
from models.trials import Windows

BAND = (4.0, 40.0)
RATE_HZ = 100.0


class EegNetwork(Baseline):
    """arrays: scale [channels], outputs, and the network's state under `net.`."""

    tasks = ("classes",)
    random = True
    training: ClassVar[Training] = Training(epochs=40, learning_rate=1e-3)

    @abstractmethod
    def build(self, channels: int, samples: int, outputs: int) -> nn.Module:
        """The untrained network for windows [channels, samples] at RATE_HZ."""

    def fit(self, windows: Windows, seed: int) -> None:
        self.check(windows)
        signal = _signal(windows)
        scale = signal.std(axis=(0, 2), dtype=np.float64)
        scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
        inputs, label = torch.from_numpy(signal / scale[:, None]), torch.from_numpy(windows.wanted)
        net = fit_network(
            lambda: self._made(windows, windows.outputs), inputs, label, nn.CrossEntropyLoss(), self.training, seed
        )
        self.arrays = {"scale": scale, "outputs": np.array(windows.outputs)} | arrays_of(net)

    def predict(self, windows: Windows) -> np.ndarray:
        inputs = torch.from_numpy(_signal(windows) / self.arrays["scale"][:, None])
        return np.asarray(outputs_of(self._fitted(windows), inputs).argmax(axis=1)).astype(np.int64)

    def macs(self, windows: Windows) -> int:
        one = torch.zeros(1, windows.channels, _samples(windows))
        return network_macs(self._fitted(windows), one) + filter_macs(windows, windows.channels)

    @property
    def parameters(self) -> int:
        """Weights and the scale; the running statistics of batch normalisation are not learned."""
        learned = [array.size for key, array in self.arrays.items() if "running_" not in key and "num_batches" not in key]
        return sum(learned) - self.arrays["outputs"].size

    def _fitted(self, windows: Windows) -> nn.Module:
        return load_arrays(self._made(windows, int(self.arrays["outputs"])), self.arrays)

    def _made(self, windows: Windows, outputs: int) -> nn.Module:
        try:
            net = self.build(windows.channels, _samples(windows), outputs)
            outputs_of(net, torch.zeros(1, windows.channels, _samples(windows)))
            return net.train()
        except (ValueError, RuntimeError, ZeroDivisionError) as error:
            raise BaselineError(
                f"{self.name} cannot be built for windows of {windows.length / windows.sample_hz:g} s "
                f"({' '.join(str(error).split())[:120]}); use longer windows or leave it out"
            ) from error


def braindecode_model(name: str, **settings: object) -> nn.Module:
    """A network of braindecode.models."""
    made: nn.Module = getattr(import_braindecode("braindecode.models"), name)(**settings)
    return made


def _samples(windows: Windows) -> int:
    return round((end_sample(windows) - start_sample(windows)) * RATE_HZ / windows.sample_hz)


def _signal(windows: Windows) -> np.ndarray:
    """float32 [windows, channels, samples at RATE_HZ]."""
    return np.asarray(resample(band_passed(windows, BAND), _samples(windows), axis=2)).astype(np.float32)
