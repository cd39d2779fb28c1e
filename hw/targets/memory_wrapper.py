"""hw.rtl.single_port_memory on a process's macros: Yosys techmap rules with bank select, tied pins, output multiplexer."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from hw.targets.memory_tiling import Tiling
from hw.targets.process import Macro

CONE_INPUTS = 10
"""An enable that depends on more signals than this is not looked into."""
_GATES: dict[str, Callable[..., int]] = {
    "$and": lambda a, b: a & b,
    "$or": lambda a, b: a | b,
    "$xor": lambda a, b: a ^ b,
    "$logic_and": lambda a, b: a & b,
    "$logic_or": lambda a, b: a | b,
    "$not": lambda a: 1 - a,
    "$logic_not": lambda a: 1 - a,
}


@dataclass(frozen=True)
class MemoryCell:
    """A memory that one port can serve: a `$mem_v2` cell in `module`."""

    module: str
    cell: str
    depth: int
    width: int


def find_memories(yosys_json: dict) -> list[MemoryCell]:
    """The memories that one port can serve, in the order of the file (`write_json` after `memory -nomap`).

    One clocked read and one write port on the same address whose enables exclude each other, as in SinglePortMemory: read
    enable & ~write, write enable & write. All other memories stay registers.
    """
    found = []
    for name, module in yosys_json["modules"].items():
        for cell_name, cell in module["cells"].items():
            if cell["type"] != "$mem_v2":
                continue
            numbers = {key: _integer(value) for key, value in cell["parameters"].items() if key != "MEMID"}
            wires = cell["connections"]
            one_port = numbers["RD_PORTS"] == numbers["WR_PORTS"] == 1 and wires["RD_ADDR"] == wires["WR_ADDR"]
            one_enable = len(set(map(str, wires["WR_EN"]))) == 1
            if not (one_port and one_enable and numbers["RD_CLK_ENABLE"] == 1):
                continue
            if _exclusive(module, wires["RD_EN"][0], wires["WR_EN"][0]):
                found.append(MemoryCell(name, cell_name, numbers["SIZE"], numbers["WIDTH"]))
    return found


def _exclusive(module: dict, read: int | str, write: int | str) -> bool:
    """Whether the two signals are never 1 together, for any values of what they are made of inside the module."""
    drivers = {}
    for cell in module["cells"].values():
        wires = cell["connections"]
        if cell["type"] in _GATES and all(len(bits) == 1 for bits in wires.values()):
            drivers[wires["Y"][0]] = cell
    inputs: list[int | str] = []

    def collect(bit: int | str) -> None:
        if bit in drivers:
            for pin in ("A", "B"):
                for inner in drivers[bit]["connections"].get(pin, ()):
                    collect(inner)
        elif bit not in ("0", "1") and bit not in inputs:
            inputs.append(bit)

    collect(read)
    collect(write)
    if len(inputs) > CONE_INPUTS:
        return False

    def value(bit: int | str, values: dict) -> int:
        if bit in drivers:
            wires = drivers[bit]["connections"]
            return _GATES[drivers[bit]["type"]](*(value(wires[pin][0], values) for pin in ("A", "B") if pin in wires))
        return values[bit]

    constants: dict[int | str, int] = {"0": 0, "1": 1}
    rows = (constants | dict(zip(inputs, bits, strict=True)) for bits in product((0, 1), repeat=len(inputs)))
    return not any(value(read, row) and value(write, row) for row in rows)


def _integer(value: str | int) -> int:
    """A Yosys parameter: binary digits, `x` for don't care."""
    return value if isinstance(value, int) else int(value.replace("x", "0") or "0", 2)


def macro_stub(macro: Macro) -> str:
    """The macro as a black box."""
    ports = [("input", pin, 1) for pin in ("A_CLK", "A_MEN", "A_WEN", "A_REN")]
    ports += [("input", "A_ADDR", macro.address_bits), ("input", "A_DIN", macro.width), ("output", "A_DOUT", macro.width)]
    if macro.bit_mask:
        ports.append(("input", macro.bit_mask, macro.width))
    ports += [("input", pin, _tied_bits(macro, pin)) for pin, _ in macro.tied]
    header = ", ".join(f"{direction} {_range(bits)}{pin}" for direction, pin, bits in ports)
    return f"(* blackbox *) module {macro.cell} ({header}); endmodule\n"


RULE_HEADER = """(* techmap_celltype = "$mem_v2" *)
module {name} (RD_CLK, RD_EN, RD_ARST, RD_SRST, RD_ADDR, RD_DATA, WR_CLK, WR_EN, WR_ADDR, WR_DATA);
  parameter MEMID = ""; parameter SIZE = 0; parameter OFFSET = 0; parameter ABITS = 0; parameter WIDTH = 0; parameter INIT = 0;
  parameter RD_PORTS = 0; parameter RD_CLK_ENABLE = 0; parameter RD_CLK_POLARITY = 0; parameter RD_TRANSPARENCY_MASK = 0;
  parameter RD_COLLISION_X_MASK = 0; parameter RD_WIDE_CONTINUATION = 0; parameter RD_CE_OVER_SRST = 0;
  parameter RD_ARST_VALUE = 0; parameter RD_SRST_VALUE = 0; parameter RD_INIT_VALUE = 0; parameter WR_PORTS = 0;
  parameter WR_CLK_ENABLE = 0; parameter WR_CLK_POLARITY = 0; parameter WR_PRIORITY_MASK = 0;
  parameter WR_WIDE_CONTINUATION = 0;
  input RD_CLK, RD_EN, RD_ARST, RD_SRST, WR_CLK;
  input [ABITS-1:0] RD_ADDR, WR_ADDR;
  input [WIDTH-1:0] WR_EN, WR_DATA;
  output [WIDTH-1:0] RD_DATA;
  wire clk = WR_CLK;
  wire write = WR_EN[0];
  wire read = RD_EN & ~write;
  wire [ABITS-1:0] address = RD_ADDR;
"""


def memory_rule(name: str, tiling: Tiling) -> str:
    """A techmap rule for one `$mem_v2` cell: the tiling's macros with the memory's behaviour."""
    address_bits = tiling.columns[0].address_bits
    width = sum(macro.width for macro in tiling.columns)
    lines = [
        RULE_HEADER.format(name=name),
        f"  wire [{width - 1}:0] word = WR_DATA;",
        f"  wire [{address_bits - 1}:0] row = address;",
    ]
    banks = range(tiling.banks)
    if tiling.banks > 1:
        bits = (tiling.banks - 1).bit_length()
        lines += [
            f"  wire {_range(bits)}wanted = address >> {address_bits};",
            f"  reg {_range(bits)}bank;",
            "  always @(posedge clk) if (read) bank <= wanted;",
        ]
    for bank in banks:
        chosen = f"(wanted == {bank})" if tiling.banks > 1 else "1'b1"
        lines += [
            f"  wire write_{bank} = write & {chosen};",
            f"  wire read_{bank} = read & {chosen};",
            f"  wire [{width - 1}:0] found_{bank};",
        ]
        low = 0
        for column, macro in enumerate(tiling.columns):
            lines.append(_instance(macro, bank, column, low))
            low += macro.width
    if tiling.banks > 1:
        lines += [f"  reg [{width - 1}:0] chosen;", "  always @* case (bank)"]
        lines += [f"    {bank}: chosen = found_{bank};" for bank in banks[:-1]]
        lines += [f"    default: chosen = found_{tiling.banks - 1};", "  endcase"]
    lines += [f"  assign RD_DATA = {'chosen' if tiling.banks > 1 else 'found_0'};", "endmodule", ""]
    return "\n".join(lines)


def _instance(macro: Macro, bank: int, column: int, low: int) -> str:
    high = low + macro.width - 1
    pins = {
        "A_CLK": "clk",
        "A_MEN": f"write_{bank} | read_{bank}",
        "A_WEN": f"write_{bank}",
        "A_REN": f"read_{bank}",
        "A_ADDR": "row",
        "A_DIN": f"word[{high}:{low}]",
        "A_DOUT": f"found_{bank}[{high}:{low}]",
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
