"""What a decision takes in each width, as hw.compare.width_energy measured it; read from width_energy.toml beside this file."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

FILE = Path(__file__).with_name("width_energy.toml")


class WidthEnergyError(ValueError):
    """A file that cannot be used, or widths that are not in it; one line."""


@dataclass(frozen=True)
class WidthEnergy:
    """nJ per decision of a decoder of ind_int4's size.

    floor_nj: bare multipliers, every weight and sample read once, with glitches and wire loads; floor_low_nj: without.
    requantize_*_nj: what multipliers of free scales add to floor_nj, one scale per tensor or one per output of a layer.
    built_nj: the whole decoder where one is built, with powers of two per tensor, idling included.
    """

    weight_bits: int
    activation_bits: int
    floor_nj: float
    floor_low_nj: float
    requantize_per_tensor_nj: float
    requantize_per_channel_nj: float
    built_nj: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
                raise WidthEnergyError(f"{FILE.name}: {field.name}={value!r} is no positive number; measure it again")

    def floor_with(self, *, per_channel: bool, power_of_two: bool) -> float:
        """The floor of a decoder with such scales. A shift is wires, and a choice among shifts is not counted."""
        if power_of_two:
            return self.floor_nj
        return self.floor_nj + (self.requantize_per_channel_nj if per_channel else self.requantize_per_tensor_nj)


@dataclass(frozen=True)
class WidthEnergies:
    """All widths, and where the numbers come from: corner, and the command that measured them."""

    corner: str
    command: str
    widths: tuple[WidthEnergy, ...]

    def of(self, weight_bits: int, activation_bits: int) -> WidthEnergy:
        """WidthEnergyError where these widths were not measured."""
        for found in self.widths:
            if (found.weight_bits, found.activation_bits) == (weight_bits, activation_bits):
                return found
        known = ", ".join(f"w{found.weight_bits}a{found.activation_bits}" for found in self.widths)
        raise WidthEnergyError(
            f"{FILE.name}: has no w{weight_bits}a{activation_bits}, but {known}; measure with {self.command}"
        )


def read_width_energies(path: Path = FILE) -> WidthEnergies:
    """WidthEnergyError with one line for anything that is not right."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        widths = tuple(WidthEnergy(**row) for row in table["width"])
        return WidthEnergies(str(table["corner"]), str(table["command"]), widths)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise WidthEnergyError(f"{path.name}: is no table of widths ({error}); measure it again") from error
