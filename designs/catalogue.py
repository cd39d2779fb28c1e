"""The named designs: "ind_int4" -> Design, with a hint when the name is unknown."""

from difflib import get_close_matches

from designs.eeg_int4 import EEG_INT4
from designs.eeg_mixed_int4 import EEG_MIXED_INT4
from designs.ind_int4 import IND_INT4
from designs.ind_int8 import IND_INT8
from designs.ind_int8_64ch import IND_INT8_64CH
from designs.ind_stream_int4 import IND_STREAM_INT4
from designs.ind_tiny import IND_TINY
from designs.schema import Design, DesignError
from designs.spikes_int4 import SPIKES_INT4

CATALOGUE: dict[str, Design] = {
    design.name: design
    for design in (IND_TINY, IND_INT8, IND_INT8_64CH, IND_INT4, IND_STREAM_INT4, EEG_INT4, EEG_MIXED_INT4, SPIKES_INT4)
}


def find_design(name: str) -> Design:
    """The design called `name`; DesignError names the nearest one, or all of them."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    near = get_close_matches(name, CATALOGUE, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"the designs are {', '.join(CATALOGUE)}"
    raise DesignError(f"design {name!r} is unknown: {hint}")
