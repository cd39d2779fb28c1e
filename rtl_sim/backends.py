"""The named designs in another structure than their own: for what is tested of one structure alone."""

from dataclasses import replace

from designs.catalogue import find_design
from designs.schema import Design


def with_backend(name: str, backend: str) -> Design:
    """The design called `name`, behind its tokenizer built as `backend` says (designs.schema.BACKENDS)."""
    design = find_design(name)
    return replace(design, hardware=replace(design.hardware, backend=backend))
