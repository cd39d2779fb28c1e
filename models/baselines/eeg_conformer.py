"""EEGConformer (Song et al. 2023): ShallowNet patches into a transformer."""

from torch import nn

from models.baselines.eeg_network import EegNetwork, braindecode_model
from models.baselines.network_training import Training


class EegConformer(EegNetwork):
    """braindecode's EEGConformer with its own defaults."""

    name = "eeg_conformer"
    training = Training(epochs=40, learning_rate=5e-4)

    def build(self, channels: int, samples: int, outputs: int) -> nn.Module:
        return braindecode_model("EEGConformer", n_chans=channels, n_outputs=outputs, n_times=samples)
