"""A gated recurrent network over the rows before each moment (PyTorch), as spikes are decoded with today."""

import numpy as np
import torch
from torch import Tensor, nn

from models.baselines.lagged import lagged, scaling
from models.baselines.model import Baseline
from models.baselines.network_training import Training, arrays_of, fit_network, load_arrays, network_macs, outputs_of
from models.trials import Windows

HIDDEN = 64
DROPOUT = 0.3
TRAINING = Training(epochs=12, learning_rate=3e-3, batch=128)


class _Gru(nn.Module):
    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.drop = nn.Dropout(DROPOUT)
        self.gru = nn.GRU(features, HIDDEN, batch_first=True)
        self.readout = nn.Linear(HIDDEN, outputs)

    def forward(self, rows: Tensor) -> Tensor:
        """rows [windows, lags, features] -> [windows, outputs]."""
        states: Tensor = self.gru(self.drop(rows))[0]
        read: Tensor = self.readout(self.drop(states[:, -1]))
        return read


class Gru(Baseline):
    """arrays: centre, scale [features], target_centre, target_scale [outputs], and the network's state under `net.`."""

    name = "gru"
    tasks = ("targets",)
    random = True

    def fit(self, windows: Windows, seed: int) -> None:
        self.check(windows)
        rows = lagged(windows)
        centre, scale = scaling(rows[:, -1])
        target_centre, target_scale = scaling(windows.wanted)
        inputs = torch.from_numpy(((rows - centre) / scale).astype(np.float32))
        wanted = torch.from_numpy(((windows.wanted - target_centre) / target_scale).astype(np.float32))
        features, outputs = rows.shape[2], wanted.shape[1]
        net = fit_network(lambda: _Gru(features, outputs), inputs, wanted, nn.MSELoss(), TRAINING, seed)
        self.arrays = {"centre": centre, "scale": scale, "target_centre": target_centre, "target_scale": target_scale}
        self.arrays |= arrays_of(net)

    def predict(self, windows: Windows) -> np.ndarray:
        rows = (lagged(windows) - self.arrays["centre"]) / self.arrays["scale"]
        found = outputs_of(self._fitted(), torch.from_numpy(rows.astype(np.float32)))
        return np.asarray(found * self.arrays["target_scale"] + self.arrays["target_centre"], np.float32)

    def macs(self, windows: Windows) -> int:
        """Of a whole window; a streaming GRU would need one of its rows per decision."""
        features = len(self.arrays["centre"])
        lags = lagged(windows.take(np.arange(1))).shape[1]
        gates = 3 * HIDDEN * (features + HIDDEN)
        return lags * gates + network_macs(self._fitted().readout, torch.zeros(1, HIDDEN))

    def _fitted(self) -> _Gru:
        net = _Gru(len(self.arrays["centre"]), len(self.arrays["target_centre"]))
        load_arrays(net, self.arrays)
        return net
