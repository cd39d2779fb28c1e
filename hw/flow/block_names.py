"""Instance names of the netlist -> the blocks that reports speak of."""

import re

_HALF = re.compile(r"(block\d+)_(attention|feed_forward)$")
OWN = {"query", "key", "value", "attention", "project", "expand", "contract"}
"""Parts of a transformer block with a line of their own; the rest of it is its `residual`: forks, buffers, adds."""


def block_of(instance: str) -> str:
    """`pipeline.block0_attention.query.core.u12` -> "block0_query"; `tokenizer.wavelet_bank.u3` -> "wavelet_bank";
    `engine.datapath.array.lane_0.u3` -> "array"; `engine.u3` -> "engine"; `u7` -> "top".
    """
    path = instance.split(".")[:-1]
    if path[:1] == ["pipeline"]:
        path = path[1:]
    if not path:
        return "top"
    half = _HALF.match(path[0])
    if half:
        return f"{half.group(1)}_{path[1] if len(path) > 1 and path[1] in OWN else 'residual'}"
    if path[0] in ("tokenizer", "engine") and len(path) > 1:
        return path[2] if path[1] == "datapath" and len(path) > 2 else path[1]
    return path[0]
