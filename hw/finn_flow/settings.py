"""What FINN reads from its environment, set before FINN is imported: no vendor tool, no file outside the given folder."""

import os
from pathlib import Path

FPGA_PART = "xcvc1902-vsva2197-2MP-e-S"
"""A Versal part: FINN then emits one behavioural multiplier per multiply-add instead of packing several into one DSP48."""

CLOCK_NS = 10.0
"""Target of FINN's pipelining: far below what an implant's clock asks."""


def prepare(folder: Path) -> None:
    """Point FINN's scratch folder at `folder` (made when missing) and initialise its settings; call before any FINN work."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["FINN_SETTINGS"] = str(folder / "settings.yaml")  # need not exist
    os.environ["FINN_BUILD_DIR"] = str(folder)
    from finn.util.settings import initialize_dummy_settings

    initialize_dummy_settings()
