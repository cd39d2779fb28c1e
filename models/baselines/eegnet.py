"""EEGNet (Lawhern et al. 2018): temporal, depthwise spatial and separable convolutions."""

from torch import nn

from models.baselines.eeg_network import EegNetwork, braindecode_model


class EegNet(EegNetwork):
    """braindecode's EEGNet with its own defaults."""

    name = "eegnet"

    def build(self, channels: int, samples: int, outputs: int) -> nn.Module:
        return braindecode_model("EEGNet", n_chans=channels, n_outputs=outputs, n_times=samples)
