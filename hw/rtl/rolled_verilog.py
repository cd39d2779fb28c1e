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
from hw.rtl.lane_words import Word, words_of

MEMBERS_MIN = 16
"""Fewer registers stay as they are: a loop over them would not pay for its tables."""
_HOLE = re.compile(r"@(\d+)((?: ?\[[\d:]+\])?)")
_CLOCKED = "  always @(posedge clk) begin"
WORD_BITS = 32
_HIGH_BITS_MATTER = re.compile(r">>|[/%]|\*\*")
"""Operators whose low bits depend on the width in which Verilog computes; a wider result of all others has the same ones."""


@dataclass(frozen=True)
class Local:
    """A variable of a loop that stands for its lowest `bits` bits, `held` in more: equal widths make the widest vectors."""

    name: str
    bits: int
    signed: bool
    held: int

    @property
    def declaration(self) -> str:
        return f"reg [{max(self.held, self.bits) - 1}:0] {self.name};"

    @property
    def whole(self) -> str:
        """What the variable stands for, with its own width and sign."""
        return self.part(self.bits - 1, 0, signed=self.signed)

    def part(self, high: int, low: int, *, signed: bool) -> str:
        text = f"{self.name}[{high}:{low}]"
        return f"$signed({text})" if signed else text


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
    first, lane = group[0], f"{array}_lane"
    held = 0 if any(map(_HIGH_BITS_MATTER.search, first.statements)) else WORD_BITS
    own, computed = (Local(f"{array}_{name}", *first.formats[0], held) for name in ("own", "next"))
    formats = enumerate(first.formats[1 : 1 + len(first.private)])
    wires = [Local(f"{array}_wire_{place}", *format, held) for place, format in formats]
    read = _read(array, group, stride, held)
    texts = [_filled(statement, (own, *wires), read.texts) for statement in first.statements]
    element = f"{array}[{number * stride} + {lane}]"
    return [
        f"  task automatic {array}_{number};",
        f"    reg [31:0] {lane};",
        *(f"    {local.declaration}" for local in (own, *wires, computed, *read.words, *read.constants)),
        *(f"    {local.name} = {value};" for local, value in read.constants.items()),
        "    /*verilator unroll_disable*/",
        f"    for ({lane} = 0; {lane} < {stride}; {lane} = {lane} + 1) begin",
        f"      {own.name} = {element};",
        *(f"      {local.name} = {_table(array, word, stride, rolled)}[{lane}];" for local, word in read.words.items()),
        *(f"      {local.name} = {text};" for local, text in zip((*wires, computed), texts, strict=True)),
        f"      {element} = {read.texts[0]} ? {computed.whole} : {own.whole};",
        "    end",
        "  endtask",
    ]


@dataclass
class Read:
    """What a loop reads: `texts` for the holes of its statements, in the variables that hold it."""

    texts: list[str] = field(default_factory=list)
    constants: dict[Local, str] = field(default_factory=dict)
    """Read before the loop, for every lane or for some."""
    words: dict[Local, Word] = field(default_factory=dict)
    """Read from a table, for one lane."""


def _read(array: str, group: Sequence[Member], stride: int, held: int) -> Read:
    """The enable and the other names of the members: one name for all, two to choose from, or a word of a table."""
    columns = list(zip(*(member.names for member in group), strict=True))
    formats = dict(zip(columns, group[0].formats[1 + len(group[0].private) :], strict=True))
    parts = words_of({column: bits for column, (bits, _) in formats.items() if len(set(column)) > 2})
    read, words = Read(), dict.fromkeys(part.word for part in parts.values())
    local = {word: Local(f"{array}_word_{place}", word.bits, False, held) for place, word in enumerate(words)}
    read.words = {name: word for word, name in local.items()}
    for place, column in enumerate(columns):
        bits, signed = formats[column]
        distinct = list(dict.fromkeys(column))
        if len(distinct) > 2:
            part = parts[column]
            read.texts.append(local[part.word].part(part.low + bits - 1, part.low, signed=signed))
            continue
        names = [Local(f"{array}_read_{place}_{value}", bits, signed, held) for value in range(len(distinct))]
        read.constants |= dict(zip(names, distinct, strict=True))
        second = sum(1 << at for at, name in enumerate(column) if name != distinct[0])
        chosen = f"((({stride}'d{second} >> {array}_lane) & {stride}'d1) != 0 ? {names[-1].whole} : {names[0].whole})"
        read.texts.append(names[0].whole if len(distinct) == 1 else chosen)
    return read


def _filled(statement: str, locals: Sequence[Local], read: Sequence[str]) -> str:
    """`statement` with `locals` in its first holes, whole or in part, and what is `read` in the others, the enable first."""

    def fill(hole: re.Match[str]) -> str:
        place, index = int(hole[1]), hole[2]
        if place >= len(locals):
            return read[place - len(locals)]
        return locals[place].name + index if index else locals[place].whole

    return _HOLE.sub(fill, statement)


def _table(array: str, word: Word, stride: int, rolled: Rolled) -> str:
    """A table of `word`, of 32 bits at least, which vector code likes best; made where there is none."""
    if word.names not in rolled.tables:
        rolled.tables[word.names] = f"{array}_table_{len(rolled.tables)}"
        rolled.declarations.append(f"  reg [{max(32, word.bits) - 1}:0] {rolled.tables[word.names]} [0:{stride - 1}];")
    return rolled.tables[word.names]


def _grouped(members: Sequence[Member]) -> list[list[Member]]:
    """By the name that takes the fewest values, each of them equally often and at least four times; else one group."""
    best = [list(members)]
    for column in range(len(members[0].names)):
        groups: dict[str, list[Member]] = defaultdict(list)
        for member in members:
            groups[member.names[column]].append(member)
        even = len({len(group) for group in groups.values()}) == 1 and 1 < len(groups) <= len(members) // 4
        if even and (len(best) == 1 or len(groups) < len(best)):
            # in the order of what they read, so that groups which read the same share their tables
            best = [sorted(group, key=lambda member: member.names) for group in groups.values()]
    return best
