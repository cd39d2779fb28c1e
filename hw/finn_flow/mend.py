"""FINN's RTL library as open tools can read it: mended copies, made at build time from the installed package.

Nothing of FINN is stored in this repository and the installed package is never written to. Each mend names the text it
replaces; where an installed FINN has other text, the build stops instead of guessing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hw.rtl.emit import EmitError


class MendError(EmitError):
    """The installed FINN is not the one that these mends were written for."""


@dataclass(frozen=True)
class Mend:
    """In `file`, `old` (present exactly `count` times) becomes `new`, because `reason`."""

    file: str
    old: str
    new: str
    reason: str
    count: int = 1


_WATCHDOG = "waits 100 ns of simulated time for a DSP slice that is not there; synthesis front ends refuse the delay"
_INDEX = "a fixed index past the end of a one-register array, in a branch not taken: Verilator stops there"
_CHATTER = '\t\t\tinitial $info("Sidestepping to INT8 mode of DSP58 for %0dx%0d.", WEIGHT_WIDTH, ACTIVATION_WIDTH);\n'

MENDS = (
    Mend("mvu.sv", "if(1) begin : blkRecoveryWatch", "if(0) begin : blkRecoveryWatch", _WATCHDOG),
    Mend("mvu_vvu_8sx9_dsp58.sv", "if(1) begin : blkRecoveryWatch", "if(0) begin : blkRecoveryWatch", _WATCHDOG),
    Mend("mvu_vvu_axi.sv", _CHATTER, "", "prints a line per unit at every start of a simulation"),
    Mend("mvu_vvu_8sx9_dsp58.sv", "Areg[1] <= Areg[0]", "Areg[INTERNAL_PREGS-1] <= Areg[0]", _INDEX),
    Mend("mvu_vvu_8sx9_dsp58.sv", "Breg[1] <= Breg[0]", "Breg[INTERNAL_PREGS-1] <= Breg[0]", _INDEX),
)

TESTED_VERSION = "1.6.1"


def mended(source: Path) -> str:
    """The text of FINN's `source` with every mend of that file applied; MendError when the text to mend is not found."""
    text = source.read_text(encoding="utf-8")
    for mend in MENDS:
        if mend.file != source.name:
            continue
        if (found := text.count(mend.old)) != mend.count:
            raise MendError(
                f"finn-plus: {source.name} has {mend.old!r} {found} times where {mend.count} is expected; "
                f"install finn-plus=={TESTED_VERSION} or adapt hw/finn_flow/mend.py"
            )
        text = text.replace(mend.old, mend.new)
    return text


def mend_library(sources: Iterable[Path], folder: Path) -> tuple[Path, ...]:
    """Write the mended copy of each library file into `folder`, names kept, and return the copies in the same order."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for source in sources:
        copy = folder / source.name
        copy.write_text(mended(source), encoding="utf-8")
        copies.append(copy)
    return tuple(copies)
