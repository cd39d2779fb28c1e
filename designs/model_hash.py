"""Which designs may share trained weights."""

import hashlib
import json
from dataclasses import asdict

from designs.schema import Design


def model_hash(design: Design) -> str:
    """12 hex digits over the fields that give the weights their shape and meaning, so not bit widths or hardware.

    A design with evenly spaced wavelets, or with a window, hashes as it did before there was anything else.
    """
    tokenizer = asdict(design.tokenizer)
    if not design.tokenizer.centres:
        del tokenizer["centres"]
    for name in ("kernel_bits", "fraction_bits", "token"):
        del tokenizer[name]
    model = asdict(design.model)
    if not design.model.streaming:
        del model["attention"]
    relevant = json.dumps([tokenizer, model], sort_keys=True)
    return hashlib.sha256(relevant.encode()).hexdigest()[:12]
