"""A component's ports as a testbench sees them: its streams with their payload shapes, and its plain inputs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import data, wiring


@dataclass(frozen=True)
class StreamPort:
    """One stream of a block. `driven`: the testbench drives payload and valid; else it drives ready."""

    name: str
    shape: Any
    driven: bool

    def payload(self, dut: Any) -> Any:
        return getattr(dut, f"{self.name}__payload")

    def valid(self, dut: Any) -> Any:
        return getattr(dut, f"{self.name}__valid")

    def ready(self, dut: Any) -> Any:
        return getattr(dut, f"{self.name}__ready")

    def pack(self, value: Any) -> int:
        """Payload value -> bits."""
        return pack(self.shape, value)

    def unpack(self, bits: int) -> Any:
        """Bits -> payload value."""
        return unpack(self.shape, bits)


def stream_ports(block: wiring.Component) -> list[StreamPort]:
    """The streams of `block` in the order of its signature; nested interfaces as `outer__inner`."""
    return [port for port in _walk(block.signature, ()) if isinstance(port, StreamPort)]


def plain_inputs(block: wiring.Component) -> list[str]:
    """Names of the inputs that belong to no stream."""
    return [port for port in _walk(block.signature, ()) if isinstance(port, str)]


def _walk(signature: wiring.Signature, path: tuple[str, ...]) -> Iterator[StreamPort | str]:
    """Every stream, and the name of every input outside of streams."""
    for name, member in signature.members.items():
        full = "__".join((*path, name))
        if member.dimensions:
            raise ValueError(f"{full}: testbenches support no arrays of ports; give each port its own name")
        if member.is_port:
            if member.flow == wiring.In:
                yield full
        elif {"payload", "valid", "ready"} == set(member.signature.members):
            payload = member.signature.members["payload"]  # directions below an In member are already flipped
            yield StreamPort(full, payload.shape, payload.flow == wiring.In)
        else:
            yield from _walk(member.signature, (*path, name))


def pack(shape: Any, value: Any) -> int:
    """value of an Amaranth shape -> its bits: integers, lists for array layouts, dictionaries for struct layouts."""
    if isinstance(shape, data.Layout) and not isinstance(value, int):
        bits = 0
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, entry in entries:
            field = shape[key]
            bits |= pack(field.shape, entry) << field.offset
        return bits
    return int(value) & ((1 << Shape.cast(shape).width) - 1)


def unpack(shape: Any, bits: int) -> Any:
    """Inverse of `pack`."""
    if isinstance(shape, data.Layout):
        entries = [(key, unpack(field.shape, bits >> field.offset)) for key, field in shape]
        return [entry for _, entry in entries] if isinstance(shape, data.ArrayLayout) else dict(entries)
    plain = Shape.cast(shape)
    bits &= (1 << plain.width) - 1
    return bits - (1 << plain.width) if plain.signed and plain.width and bits >> (plain.width - 1) else bits
