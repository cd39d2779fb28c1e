"""The named designs in another structure than their own: for what is tested of one structure alone."""

from dataclasses import replace

from designs.catalogue import CATALOGUE, find_design
from designs.schema import Design

WINDOWED = [name for name, design in CATALOGUE.items() if not design.model.streaming]
"""Names of the designs that can be built in any structure: a decoder whose states run on has the engine alone."""


def with_backend(design: Design | str, backend: str) -> Design:
    """The design, given or by its name, behind its tokenizer built as `backend` says (designs.schema.BACKENDS)."""
    design = find_design(design) if isinstance(design, str) else design
    return replace(design, hardware=replace(design.hardware, backend=backend))
