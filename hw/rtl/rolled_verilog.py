"""Guarded Verilog with registers that are alike as arrays, worked through in loops, which compilers turn into vector code.

A row of multipliers is, flattened, some hundred lines of the same shape with other names; simulated line by line they cost more
processor instructions than all the rest. Here registers whose enabled assignments differ in nothing but names become elements
of one array, and their assignments a loop. Same registers, same integers, cycle for cycle.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from hw.rtl.alike_registers import DECLARED, NAME, Format, Member, declared_formats, families_of, with_whole_targets

MEMBERS_MIN = 16
"""Fewer registers stay as they are: a loop over them would not pay for its tables."""
_HOLE = re.compile(r"@(\d+)")
_CLOCKED = "  always @(posedge clk) begin"


@dataclass
class Rolled:
    """A family as text: `declarations` for the module, `statements` for the end of its clocked block."""

    elements: dict[str, str]
    """Register -> element of the array."""
    declarations: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    tables: dict[tuple[str, ...], str] = field(default_factory=dict)
    """What the lanes of a loop read in turn -> the array that holds it."""


def rolled_verilog(text: str) -> str:
    """Text of `guarded_verilog` -> the same module, with families of at least MEMBERS_MIN registers in loops."""
    lines = text.split("\n")
    if _CLOCKED not in lines:
        return text
    formats = declared_formats(lines[: lines.index(_CLOCKED)])
    lines = with_whole_targets(lines, formats)
    begin = lines.index(_CLOCKED)
    end = max(number for number, line in enumerate(lines) if line == "  end")
    declared = [found for line in lines[:begin] if (found := DECLARED.match(line))]
    zero = {found[4] for found in declared if found[1] == "reg" and set(found[5] or "1") == {"0"}}
    ports = {name for line in lines[:begin] if line.startswith(("  input ", "  output ")) for name in NAME.findall(line)}
    families = _independent(families_of(lines, range(begin, end), formats, zero - ports, smallest=MEMBERS_MIN))
    unused = next(name for length in count(1) if (name := "roll" + "_" * length) not in text)
    rolled = [_roll(f"{unused}{number}", members) for number, members in enumerate(families)]
    elements = {register: element for one in rolled for register, element in one.elements.items()}
    gone = {line for members in families for member in members for line in member.lines}
    undeclared = elements.keys() | {name for members in families for member in members for name in member.private}

    def kept(first: int, last: int) -> list[str]:
        stays = [lines[number] for number in range(first, last) if number not in gone]
        return [line for line in stays if not ((found := DECLARED.match(line)) and found[4] in undeclared)]

    before = [*kept(0, begin), *(line for one in rolled for line in one.declarations)]
    # last in the block: whatever else is clocked has read the registers before they change
    loops = [line for one in rolled for line in one.statements]
    whole = [*before, *kept(begin, end), *loops, *kept(end, len(lines))]
    return "\n".join(NAME.sub(lambda name: elements.get(name[0], name[0]), line) for line in whole)


def _independent(families: Sequence[list[Member]]) -> list[list[Member]]:
    """Those that read no other register of any family: loops change their registers one after the other."""
    registers = {member.register for members in families for member in members}
    read = [{name.split("[")[0].strip() for member in members for name in member.names} for members in families]
    return [members for members, names in zip(families, read, strict=True) if not names & registers]


def _type(format: Format) -> str:
    return f"reg {'signed ' if format[1] else ''}[{format[0] - 1}:0]"


def _roll(array: str, members: Sequence[Member]) -> Rolled:
    """A loop for each group of members, over all lanes of a power of two; what differs in a group comes from tables."""
    groups = _grouped(members)
    stride = 1 << (len(groups[0]) - 1).bit_length()
    depth = 1 << (len(groups) * stride - 1).bit_length()
    places = [(member.register, number * stride + at) for number, group in enumerate(groups) for at, member in enumerate(group)]
    rolled = Rolled({register: f"{array}[{place}]" for register, place in places})
    rolled.declarations += [
        f"  {_type(members[0].formats[0])} {array} [0:{depth - 1}];",
        f"  initial for (integer {array}_at = 0; {array}_at < {depth}; {array}_at = {array}_at + 1) {array}[{array}_at] = 0;",
    ]
    tasks = [_task(array, number, group, stride, rolled) for number, group in enumerate(groups)]
    rolled.declarations += [line for task in tasks for line in task]
    enables = dict.fromkeys(member.names[0] for member in members)
    rolled.statements += [
        f"    if ({' || '.join(enables)}) begin",
        *(f"      {table}[{lane}] = {name};" for column, table in rolled.tables.items() for lane, name in enumerate(column)),
        *(f"      {array}_{number};" for number in range(len(groups))),
        "    end",
    ]
    return rolled


def _task(array: str, number: int, group: Sequence[Member], stride: int, rolled: Rolled) -> list[str]:
    """The loop of a group. All it chooses between is local and read before: else it would not become vector code."""
    first = group[0]
    own, computed, lane = f"{array}_own", f"{array}_next", f"{array}_lane"
    wires = [f"{array}_wire_{place}" for place in range(len(first.private))]
    local = dict(zip((own, *wires), first.formats, strict=False)) | {computed: first.formats[0]}
    constants: dict[str, str] = {}
    read = []
    for place, column in enumerate(zip(*(member.names for member in group), strict=True)):
        format = first.formats[1 + len(wires) + place]
        distinct = list(dict.fromkeys(column))
        if len(distinct) > 2:
            read.append(_table_word(array, column, format, stride, rolled))
            continue
        names = [f"{array}_read_{place}_{value}" for value in range(len(distinct))]
        local |= dict.fromkeys(names, format)
        constants |= dict(zip(names, distinct, strict=True))
        second = sum(1 << at for at, name in enumerate(column) if name != distinct[0])
        chosen = f"((({stride}'d{second} >> {lane}) & {stride}'d1) != 0 ? {names[-1]} : {names[0]})"
        read.append(names[0] if len(distinct) == 1 else chosen)
    holes = [own, *wires, *read]
    texts = [_HOLE.sub(lambda hole: holes[int(hole[1])], statement) for statement in first.statements]
    element = f"{array}[{number * stride} + {lane}]"
    return [
        f"  task automatic {array}_{number};",
        f"    reg [31:0] {lane};",
        *(f"    {_type(format)} {name};" for name, format in local.items()),
        *(f"    {name} = {value};" for name, value in constants.items()),
        "    /*verilator unroll_disable*/",
        f"    for ({lane} = 0; {lane} < {stride}; {lane} = {lane} + 1) begin",
        f"      {own} = {element};",
        *(f"      {name} = {text};" for name, text in zip((*wires, computed), texts, strict=True)),
        f"      {element} = {read[0]} ? {computed} : {own};",
        "    end",
        "  endtask",
    ]


def _table_word(array: str, column: tuple[str, ...], format: Format, stride: int, rolled: Rolled) -> str:
    """Lane's word of a table of `column`, of 32 bits at least, which vector code likes best; made where there is none."""
    bits, signed = format
    if column not in rolled.tables:
        rolled.tables[column] = f"{array}_table_{len(rolled.tables)}"
        rolled.declarations.append(f"  reg [{max(32, bits) - 1}:0] {rolled.tables[column]} [0:{stride - 1}];")
    word = f"{rolled.tables[column]}[{array}_lane][{bits - 1}:0]"
    return f"$signed({word})" if signed else word


def _grouped(members: Sequence[Member]) -> list[list[Member]]:
    """By the name that takes the fewest values, each of them equally often and at least four times; else one group."""
    best = [list(members)]
    for column in range(len(members[0].names)):
        groups: dict[str, list[Member]] = defaultdict(list)
        for member in members:
            groups[member.names[column]].append(member)
        even = len({len(group) for group in groups.values()}) == 1 and 1 < len(groups) <= len(members) // 4
        if even and (len(best) == 1 or len(groups) < len(best)):
            best = list(groups.values())
    return best
