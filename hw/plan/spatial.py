"""How the spatial filter's weights lie side by side: as many virtual channels at once as a word of the load bus carries."""

from dataclasses import dataclass

import numpy as np

from designs.schema import TokenizerSpec
from hw.plan.folding import WORD_BITS_MAX


@dataclass(frozen=True)
class SpatialLayout:
    """A sample is multiplied in `groups` cycles by `lanes` weights each; virtual channel v is lane v % lanes of its group.

    Lanes beyond the last virtual channel have weight 0 and their sums go nowhere.
    """

    lanes: int
    groups: int

    def words(self, channels: int) -> int:
        """Words of the weight memory, in the order in which a frame of `channels` samples takes them."""
        return channels * self.groups


def spatial_layout(spec: TokenizerSpec) -> SpatialLayout:
    """The fewest groups that fit the word, evenly filled; KeyError where the tokenizer has no spatial filter."""
    if spec.spatial is None:
        raise KeyError("the tokenizer has no spatial filter")
    wanted = spec.spatial.virtual_channels
    groups = -(-wanted // (WORD_BITS_MAX // spec.spatial.weight.bits))
    return SpatialLayout(-(-wanted // groups), groups)


def weight_rows(weight: np.ndarray, spec: TokenizerSpec) -> np.ndarray:
    """weight int64 [virtual channels, channels] -> [words, lanes] in the order of the memory's addresses."""
    layout = spatial_layout(spec)
    padded = np.pad(weight, ((0, layout.lanes * layout.groups - len(weight)), (0, 0)))
    return padded.T.reshape(-1, layout.lanes)
