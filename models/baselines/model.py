"""What every baseline can do: fit, predict, say what it costs, and be saved as plain arrays."""

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from models.trials import Windows


class BaselineError(ValueError):
    """A baseline that cannot work on these windows or this file; one line."""


class Baseline(ABC):
    """A model that is its arrays: `predict` reads nothing else that fitting found, so saving the arrays saves the model.

    Deterministic: the same windows and seed give the same arrays on the same machine. `tasks`: what it can learn, of
    "classes" and "targets"; `random`: whether the seed matters to it.
    """

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    random: ClassVar[bool] = False

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    @abstractmethod
    def fit(self, windows: Windows, seed: int) -> None:
        """Learn from `windows` alone. Raises BaselineError where they do not suit the model."""

    @abstractmethod
    def predict(self, windows: Windows) -> np.ndarray:
        """int64 [windows] classes, or float32 [windows, outputs]."""

    @abstractmethod
    def macs(self, windows: Windows) -> int:
        """Multiply-adds of one decision on a window like these, filters and features included."""

    @property
    def parameters(self) -> int:
        """Numbers that fitting found."""
        return sum(array.size for array in self.arrays.values())

    def check(self, windows: Windows) -> None:
        """BaselineError where the model cannot learn what these windows ask for."""
        task = "classes" if windows.targets is None else "targets"
        if task not in self.tasks:
            raise BaselineError(f"{self.name} learns {' and '.join(self.tasks)}, but the recording has {task}; leave it out")

    def save(self, path: Path) -> None:
        """All arrays as safetensors, under a temporary name first."""
        partial = path.with_name(f".{path.name}.partial")
        arrays = {key: np.array(array, order="C") for key, array in self.arrays.items()}
        save_file(arrays, partial, metadata={"model": self.name, "keys": json.dumps(sorted(arrays))})
        partial.replace(path)

    def load(self, path: Path) -> None:
        """The arrays that `save` wrote. Raises BaselineError, one line."""
        try:
            with safe_open(path, "numpy") as file:
                found = file.metadata() or {}
                if found.get("model") != self.name:
                    raise BaselineError(
                        f"{path.name}: holds {found.get('model', 'no baseline')}, not {self.name}; give its file"
                    )
                self.arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise BaselineError(
                f"{path.name}: not a readable {self.name} ({' '.join(str(error).split())}); fit again"
            ) from error
