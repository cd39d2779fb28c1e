"""Trained weights on disk: safetensors with the design's name and a hash of what the weights depend on. Never a pickle."""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from designs.model_hash import model_hash
from designs.schema import Design
from models.ind import Ind
from models.standardise import Standardisation

FORMAT = "ind float checkpoint 1"
DIGEST = "digest"
"""Name in the metadata."""


class CheckpointError(ValueError):
    """A file that is no checkpoint, or one of another design."""


def save_checkpoint(path: Path, design: Design, model: Ind, standardisation: Standardisation, **notes: str) -> None:
    """Write model and standardisation under a temporary name, then rename. `notes` go into the metadata."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    tensors |= {"standardise.centre": standardisation.centre.cpu(), "standardise.scale": standardisation.scale.cpu()}
    save_tensors(path, tensors, {"format": FORMAT, "design": design.name, "model_hash": model_hash(design)} | notes)


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """safetensors with the digest of its tensors, under a temporary name, then renamed."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(save(tensors, metadata | {DIGEST: _digest(tensors)}))  # save_file would let nobody else read it
    partial.replace(path)


def load_tensors(path: Path, again: str = "train it again") -> tuple[dict[str, Tensor], dict[str, str]]:
    """(tensors, metadata) of a safetensors file; CheckpointError, one line, for anything else, and where tensors are not those
    that `save_tensors` wrote. again: what to do about it."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; train it with python -m models.train")
    try:
        with safe_open(path, framework="pt") as found:
            tensors = {name: found.get_tensor(name) for name in found.keys()}  # noqa: SIM118
            metadata = found.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a readable checkpoint ({str(error).splitlines()[0]}); {again}") from error
    if DIGEST in metadata and metadata[DIGEST] != _digest(tensors):
        raise CheckpointError(f"{path}: its numbers are not those that were written (damaged or edited); {again}")
    return tensors, metadata


def _digest(tensors: dict[str, Tensor]) -> str:
    """24 hex digits over names, types, shapes and values."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        found.update(f"{name} {value.dtype} {list(value.shape)}".encode() + value.numpy().tobytes())
    return found.hexdigest()[:24]


def load_checkpoint(path: Path, design: Design) -> tuple[Ind, Standardisation]:
    """The trained decoder of `design` on the CPU, in evaluation mode, and the standardisation of its tokens."""
    tensors, metadata = load_tensors(path)
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path}: holds no float checkpoint of this project; train one with python -m models.train")
    if metadata.get("model_hash") != model_hash(design):
        raise CheckpointError(
            f"{path}: is of design {metadata.get('design')} ({metadata.get('model_hash')}), not of {design.name} "
            f"({model_hash(design)}) as it is now; train it again or name its design"
        )
    model = Ind(design)
    try:
        standardisation = Standardisation(tensors.pop("standardise.centre"), tensors.pop("standardise.scale"))
        model.load_state_dict(tensors)
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path}: does not hold the weights of {design.name}; train it again") from error
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise CheckpointError(f"{path}: holds weights that are not finite; train it again")
    return model.eval(), standardisation
