"""ShallowFBCSPNet (Schirrmeister et al. 2017): temporal and spatial filters, log of the pooled square."""

from torch import nn

from models.baselines.eeg_network import EegNetwork, braindecode_model


class ShallowFbcspNet(EegNetwork):
    """braindecode's ShallowFBCSPNet with its own defaults."""

    name = "shallow_fbcsp_net"

    def build(self, channels: int, samples: int, outputs: int) -> nn.Module:
        return braindecode_model("ShallowFBCSPNet", n_chans=channels, n_outputs=outputs, n_times=samples)
