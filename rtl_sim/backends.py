"""The named designs in another structure than their own: for what is tested of one structure alone."""

from dataclasses import replace

from designs.catalogue import find_design
from designs.schema import Design


def with_backend(design: Design | str, backend: str) -> Design:
    """The design, given or by its name, behind its tokenizer built as `backend` says (designs.schema.BACKENDS)."""
    design = find_design(design) if isinstance(design, str) else design
    return replace(design, hardware=replace(design.hardware, backend=backend))
