"""Published decoders: the data file beside this one, checked, and what each would take at our node and voltage."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from hw.compare.scaling import Factor, to_reference

FILE = Path(__file__).with_name("published.toml")
BASES = ("silicon", "layout", "synthesis", "software", "estimate", "unknown")


class PublishedError(ValueError):
    """A data file that cannot be used; one line."""


@dataclass(frozen=True)
class Decoder:
    """One publication's numbers; None is unknown. `basis`: one of BASES; `covers`: what energy and power are of."""

    name: str
    citation: str
    task: str
    basis: str
    covers: str
    read: str
    node_nm: int | None = None
    volt: float | None = None
    channels: int | None = None
    energy_nj: float | None = None
    power_uw: float | None = None
    area_mm2: float | None = None
    subthreshold: bool = False
    """Supplied below the voltages that any fit holds for."""

    def __post_init__(self) -> None:
        for name in ("name", "citation", "task", "covers", "read"):
            if not getattr(self, name):
                raise PublishedError(f"{self.name or 'a decoder'}: {name} is empty; say it, or say that it is unknown")
        if self.basis not in BASES:
            raise PublishedError(f"{self.name}: basis={self.basis!r} is unknown; use one of {', '.join(BASES)}")
        for name in ("node_nm", "volt", "channels", "energy_nj", "power_uw", "area_mm2"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
                raise PublishedError(f"{self.name}: {name}={value!r} is no positive number; leave it out where it is unknown")

    @property
    def factor(self) -> Factor | None:
        """To 130 nm and 1.2 V; None where the node is unknown or no fit applies."""
        return None if self.subthreshold else to_reference(self.node_nm, self.volt)


def read_published(path: Path = FILE) -> tuple[Decoder, ...]:
    """Every decoder of the file, in its order. PublishedError with one line for anything that is not right."""
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))["decoder"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise PublishedError(f"{path.name}: not a readable list of decoders ({error})") from error
    known = {field.name for field in fields(Decoder)}
    found = []
    for row in rows:
        strange = sorted(set(row) - known)
        if strange:
            raise PublishedError(f"{path.name}: {row.get('name', 'a decoder')} has an unknown key {strange[0]}")
        try:
            found.append(Decoder(**row))
        except TypeError as error:
            raise PublishedError(f"{path.name}: {row.get('name', 'a decoder')}: {error}") from error
    names = [decoder.name for decoder in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PublishedError(f"{path.name}: {twice} comes twice")
    return tuple(found)
