"""Target name or Liberty path -> Process, falling back to osu018 when the PDK is not there."""

import os
from dataclasses import replace
from pathlib import Path

from hw.power.liberty import LibertyError
from hw.targets import ihp_sg13g2, liberty_file, osu018
from hw.targets.process import Process, TargetError

NAMES = (ihp_sg13g2.NAME, osu018.NAME)
REGISTERS = "_registers"
"""Behind a name: the same process with every memory in registers, to measure what macros save."""


def find_process(target: str) -> Process:
    """The process called `target`, or of the Liberty file at that path. TargetError for anything else.

    Without the PDK, ihp_sg13g2 becomes osu018, and the process's `note` says so. A damaged Liberty file of a PDK is refused.
    """
    try:
        return _find(target)
    except LibertyError as error:
        raise TargetError(f"target {target}: {error}; install its files again") from error


def _find(target: str) -> Process:
    if target.removesuffix(REGISTERS) in NAMES and target.endswith(REGISTERS):
        found = _find(target.removesuffix(REGISTERS))
        model = "; ".join(part for part in ("every memory lies in registers, for comparison", found.memory_model) if part)
        return replace(found, name=found.name + REGISTERS, register_memories=True, memory_model=model)
    if target == osu018.NAME:
        return osu018.load()
    if target == ihp_sg13g2.NAME:
        pdk = ihp_sg13g2.find_pdk()
        if pdk is not None:
            return ihp_sg13g2.load(pdk)
        why = "PDK_ROOT holds no ihp-sg13g2" if os.environ.get("PDK_ROOT") else "PDK_ROOT is not set"
        note = f"{target} is wanted, but {why}: {osu018.NAME} stands in"
        return replace(osu018.load(), note=note)
    if target.endswith(".lib") or "/" in target:
        return liberty_file.load(Path(target))
    raise TargetError(f"target {target!r} is unknown; use {', '.join(NAMES)} or the path of a Liberty file")
