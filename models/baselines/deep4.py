"""Deep4Net (Schirrmeister et al. 2017): four blocks of convolution and max pooling."""

from torch import nn

from models.baselines.eeg_network import EegNetwork, braindecode_model


class Deep4(EegNetwork):
    """braindecode's Deep4Net with its own defaults."""

    name = "deep4"

    def build(self, channels: int, samples: int, outputs: int) -> nn.Module:
        return braindecode_model("Deep4Net", n_chans=channels, n_outputs=outputs, n_times=samples, final_conv_length="auto")
