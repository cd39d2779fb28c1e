"""ATCNet (Altaheri et al. 2023): convolution, multi-head attention and temporal convolution over sliding windows."""

from torch import nn

from models.baselines.eeg_network import RATE_HZ, EegNetwork, braindecode_model


class AtcNet(EegNetwork):
    """braindecode's ATCNet with its own defaults."""

    name = "atcnet"

    def build(self, channels: int, samples: int, outputs: int) -> nn.Module:
        return braindecode_model("ATCNet", n_chans=channels, n_outputs=outputs, n_times=samples, sfreq=RATE_HZ)
