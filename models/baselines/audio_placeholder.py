"""braindecode imports torchaudio at its top, although the nets here take nothing of it.

torchaudio's PyPI wheel is a GPU build whose library does not load beside CPU torch. Only where the real one fails to load, a
placeholder stands in for it: its names can be imported, and making one says
that torchaudio is missing.
"""

import importlib
import sys
from types import ModuleType


class _Placeholder(ModuleType):
    """Any name can be imported from it; none does anything."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_args: object, **_settings: object) -> None:
            raise ImportError(f"{self.__name__}.{name} is a placeholder: torchaudio does not load here; install one that does")

        return type(name, (), {"__init__": missing})


def import_braindecode(module: str) -> ModuleType:
    """`module` of braindecode, behind a placeholder where the real torchaudio does not load."""
    try:
        importlib.import_module("torchaudio")
    except (OSError, ImportError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
            del sys.modules[name]
        for name in ("torchaudio", "torchaudio.functional", "torchaudio.transforms"):
            sys.modules[name] = _Placeholder(name)
            if "." in name:
                setattr(sys.modules["torchaudio"], name.partition(".")[2], sys.modules[name])
    return importlib.import_module(module)
