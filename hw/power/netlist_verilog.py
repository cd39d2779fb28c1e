"""A netlist as Verilog that any reader takes: one scalar wire per net, numbered; instances keep their names."""

from collections import defaultdict
from pathlib import Path

from hw.power.netlist import ONE, ZERO, Netlist


def write_verilog(netlist: Netlist, path: Path) -> Path:
    """Flat structural Verilog. Bits of a port `p` are ports p_0, p_1, ...; a one-bit port keeps its name."""
    ports = [
        (direction, f"{name}_{place}" if len(nets) > 1 else name, net)
        for name, (direction, nets) in netlist.ports.items()
        for place, net in enumerate(nets)
    ]
    lines = [f"module {netlist.top} ({', '.join(name for _, name, _ in ports)});"]
    lines += [f"  {direction} {name};" for direction, name, _ in ports]
    lines += [f"  wire n{net};" for net in range(2, netlist.nets)]
    lines += [
        f"  assign n{net} = {name};" if direction == "input" else f"  assign {name} = {_wire(net)};"
        for direction, name, net in ports
    ]
    for instance in netlist.instances:
        pins: list[str] = []
        buses: dict[str, dict[int, int]] = defaultdict(dict)
        for pin, net in instance.pins.items():
            if pin.endswith("]"):
                bus, place = pin[:-1].split("[")
                buses[bus][int(place)] = net
            else:
                pins.append(f".{pin}({_wire(net)})")
        for bus, bits in buses.items():
            pins.append(f".{bus}({{{', '.join(_wire(bits[place]) for place in sorted(bits, reverse=True))}}})")
        lines.append(f"  {instance.cell.name} \\{instance.name} ({', '.join(pins)});")
    path.write_text("\n".join([*lines, "endmodule", ""]))
    return path


def _wire(net: int) -> str:
    return {ZERO: "1'b0", ONE: "1'b1"}.get(net, f"n{net}")
