"""Pre-trained weights on disk: model.safetensors, the state dict as braindecode and the Hugging Face hub publish it."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from models.teachers.teacher import TeacherError

PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".pkl")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Every tensor of the file. TeacherError, one line, for anything but a safetensors file."""
    if not path.is_file():
        raise TeacherError(f"{path}: no such file of weights; download model.safetensors of the model and name it")
    if path.suffix.lower() in PICKLES:
        raise TeacherError(
            f"{path}: may be a pickle, which runs programs when it is read; load it where you trust it and write "
            f"its state dict with safetensors.torch.save_file"
        )
    try:
        with safe_open(path, framework="pt") as found:
            return {name: found.get_tensor(name) for name in found.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise TeacherError(
            f"{path}: not a readable safetensors file ({str(error).splitlines()[0]}); download it again"
        ) from error


def load_weights(net: nn.Module, path: Path, *, own: tuple[str, ...] = (), cropped: tuple[str, ...] = ()) -> None:
    """Fill `net` with the weights of `path`.

    own: prefixes of what stays as it was made, such as the head; cropped: names of which the first rows of the second axis are
    taken where the file has more, such as positions in time. Whatever else the file lacks, or has in another shape, is refused;
    what it has beyond that, such as a decoder of pre-training, is left.
    """
    found, wanted = read_weights(path), net.state_dict()
    for name in cropped:
        if name in found and name in wanted and found[name].ndim == wanted[name].ndim > 1:
            found[name] = found[name][:, : wanted[name].shape[1]]
    needed = {name: value for name, value in wanted.items() if not name.startswith(own)}
    missing = [name for name in needed if name not in found]
    if missing:
        raise TeacherError(
            f"{path}: lacks {len(missing)} of {len(needed)} weights, {missing[0]} among them; give the weights of this model"
        )
    for name, value in needed.items():
        if found[name].shape != value.shape:
            raise TeacherError(
                f"{path}: {name} has shape {list(found[name].shape)} where {list(value.shape)} is needed; give the weights of "
                f"this model in its published size"
            )
        if not torch.isfinite(found[name].float()).all():
            raise TeacherError(f"{path}: {name} holds numbers that are not finite; download it again")
    net.load_state_dict({name: found[name].to(wanted[name].dtype) for name in needed}, strict=False)
