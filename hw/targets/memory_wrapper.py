"""hw.rtl.single_port_memory as Verilog around a process's macros: bank select, tied pins, output multiplexer."""

from dataclasses import dataclass

from hw.targets.memory_tiling import Tiling
from hw.targets.process import Macro

PORTS = frozenset({"clk", "address", "enable", "write", "write_data", "read_data"})


@dataclass(frozen=True)
class MemoryModule:
    """A module of the design that is a SinglePortMemory. `ports`: name -> (direction, bits), `rst` and the like included."""

    module: str
    depth: int
    width: int
    ports: dict[str, tuple[str, int]]


def find_memories(yosys_json: dict) -> list[MemoryModule]:
    """The modules with the ports of SinglePortMemory, in the order of the file (`write_json` after `proc`)."""
    found = []
    modules = yosys_json["modules"]
    for name, module in modules.items():
        ports = {port: (entry["direction"], len(entry["bits"])) for port, entry in module["ports"].items()}
        if PORTS <= set(ports) <= PORTS | {"rst"}:
            inner = [name, *(cell["type"] for cell in module["cells"].values() if cell["type"] in modules)]
            sizes = [memory["size"] for part in inner for memory in modules[part].get("memories", {}).values()]
            if len(sizes) == 1:
                found.append(MemoryModule(name, sizes[0], ports["read_data"][1], ports))
    return found


def macro_stub(macro: Macro) -> str:
    """The macro as a black box."""
    ports = [("input", pin, 1) for pin in ("A_CLK", "A_MEN", "A_WEN", "A_REN")]
    ports += [("input", "A_ADDR", macro.address_bits), ("input", "A_DIN", macro.width), ("output", "A_DOUT", macro.width)]
    if macro.bit_mask:
        ports.append(("input", macro.bit_mask, macro.width))
    ports += [("input", pin, _tied_bits(macro, pin)) for pin, _ in macro.tied]
    header = ", ".join(f"{direction} {_range(bits)}{pin}" for direction, pin, bits in ports)
    return f"(* blackbox *) module {macro.cell} ({header}); endmodule\n"


def memory_wrapper(memory: MemoryModule, tiling: Tiling) -> str:
    """A module with the name, ports and behaviour of `memory`, made of the tiling's macros."""
    header = ", ".join(f"{direction} wire {_range(bits)}{port}" for port, (direction, bits) in memory.ports.items())
    address_bits = tiling.columns[0].address_bits
    given_bits = memory.ports["address"][1]
    padded = tiling.banks, sum(macro.width for macro in tiling.columns)
    spare = padded[1] - memory.width
    lines = [
        f"module \\{memory.module} ({header});",
        f"  wire [{padded[1] - 1}:0] word = {{{f'{spare}{chr(39)}d0, ' if spare else ''}write_data}};",
        f"  wire [{address_bits - 1}:0] row = "
        + ("address;" if given_bits <= address_bits else f"address[{address_bits - 1}:0];"),
    ]
    banks = range(tiling.banks)
    if tiling.banks > 1:
        select = f"address[{given_bits - 1}:{address_bits}]"
        bits = given_bits - address_bits
        lines += [
            f"  reg {_range(bits)}bank;",
            f"  always @(posedge clk) if (enable & ~write) bank <= {select};",
        ]
    for bank in banks:
        chosen = f"enable & ({select} == {bank})" if tiling.banks > 1 else "enable"
        lines += [f"  wire enable_{bank} = {chosen};", f"  wire [{padded[1] - 1}:0] read_{bank};"]
        low = 0
        for column, macro in enumerate(tiling.columns):
            lines.append(_instance(macro, bank, column, low))
            low += macro.width
    if tiling.banks > 1:
        lines += [f"  reg [{padded[1] - 1}:0] chosen;", "  always @* case (bank)"]
        lines += [f"    {bank}: chosen = read_{bank};" for bank in banks[:-1]]
        lines += [f"    default: chosen = read_{tiling.banks - 1};", "  endcase"]
    source = "chosen" if tiling.banks > 1 else "read_0"
    lines += [f"  assign read_data = {source}[{memory.width - 1}:0];", "endmodule", ""]
    return "\n".join(lines)


def _instance(macro: Macro, bank: int, column: int, low: int) -> str:
    high = low + macro.width - 1
    pins = {
        "A_CLK": "clk",
        "A_MEN": f"enable_{bank}",
        "A_WEN": f"enable_{bank} & write",
        "A_REN": f"enable_{bank} & ~write",
        "A_ADDR": "row",
        "A_DIN": f"word[{high}:{low}]",
        "A_DOUT": f"read_{bank}[{high}:{low}]",
    }
    if macro.bit_mask:
        pins[macro.bit_mask] = f"{{{macro.width}{{1'b1}}}}"
    pins |= {pin: f"{{{_tied_bits(macro, pin)}{{1'b{value}}}}}" for pin, value in macro.tied}
    connections = ", ".join(f".{pin}({value})" for pin, value in pins.items())
    return f"  {macro.cell} macro_{bank}_{column} ({connections});"


def _tied_bits(macro: Macro, pin: str) -> int:
    return macro.address_bits if pin.endswith("ADDR") else macro.width if pin.endswith(("DIN", "BM")) else 1


def _range(bits: int) -> str:
    return f"[{bits - 1}:0] " if bits > 1 else ""
