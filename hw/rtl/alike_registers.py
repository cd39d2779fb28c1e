"""Registers of guarded Verilog with all that serves them alone, written so that registers which are alike compare equal."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

NAME = re.compile(r"(?<![\w'$])[A-Za-z_]\w*")
DECLARED = re.compile(r"  (reg|wire) (signed )?(?:\[(\d+):0\] )?(\w+)(?: = \d+'h(\w+))?;$")
_PLACED = re.compile(r"(?<![\w'$])([A-Za-z_]\w*)( ?\[\d+(?::\d+)?\])?")
_ENABLED = re.compile(r"    if \((\w+)\) (\w+) <= (.*);$")
_COMPUTED = re.compile(r"      (\w+) = (.*);$")
_SPLIT = re.compile(r"      \{ (\w+) ?\[(\d+)(?::(\d+))?\], (\w+) \} = (.*);$")
_COPIED = re.compile(r"      (\w+) ?\[\d+(?::0)?\] = (\w+);$")
_SEEN_FROM_OUTSIDE = "tap_"
"""Registers of hw.rtl.ind that the simulator reads by their names."""

Format = tuple[int, bool]
"""Bits, and whether Verilog takes them as signed."""


@dataclass(frozen=True)
class Member:
    """A register, computed from its enable and other names by statements that serve nobody else."""

    register: str
    lines: tuple[int, ...]
    """The lines that a loop replaces."""
    private: tuple[str, ...]
    """Wires that only these statements know; one statement for each in turn, then one for the register."""
    statements: tuple[str, ...]
    """With a hole @0, @1, ... for each name: first the register, the private wires, then `names`."""
    names: tuple[str, ...]
    """Enable, then everything else that is read, with its index, once each."""
    formats: tuple[Format, ...]
    """Of what is in the holes."""


@dataclass(frozen=True)
class Wire:
    """A wire that one line computes as a whole from `source`, and how often it is read."""

    line: int
    source: str
    reads: int


def declared_formats(lines: Sequence[str]) -> dict[str, Format]:
    """Every wire and register that is declared in `lines`."""
    declared = [found for line in lines if (found := DECLARED.match(line))]
    return {found[4]: (int(found[3] or 0) + 1, found[2] is not None) for found in declared}


def with_whole_targets(lines: Sequence[str], formats: Mapping[str, Format]) -> list[str]:
    """A sum whose highest bits nobody reads, ``{ all[8], sum } = a + b`` and ``all[7:0] = sum``, as Verilog of its whole.

    So Yosys writes it where the sum has a name: now ``all = a + b`` and ``sum = all[7:0]``, each target a wire by itself.
    """
    copies = {(found[1], found[2]): number for number, line in enumerate(lines) if (found := _COPIED.match(line))}
    whole, gone = dict(enumerate(lines)), set()
    for number, line in enumerate(lines):
        if not (found := _SPLIT.match(line)) or (found[1], found[4]) not in copies:
            continue
        everything, low, part = found[1], int(found[3] or found[2]), found[4]
        fits = formats.get(everything, (0,))[0] == int(found[2]) + 1 and formats.get(part, (0,))[0] == low
        copy = copies[everything, part]
        if fits and lines[copy] in (f"      {everything}[{low - 1}:0] = {part};", f"      {everything}[0] = {part};"):
            whole[number] = f"      {everything} = {found[5]};\n      {part} = {everything}[{low - 1}:0];"
            gone.add(copy)
    return "\n".join(line for number, line in whole.items() if number not in gone).split("\n")


def families_of(
    lines: Sequence[str], block: range, formats: Mapping[str, Format], registers: set[str], *, smallest: int
) -> list[list[Member]]:
    """At least `smallest` of `registers` each that are alike; `block`: the lines of the clocked block.

    First with every wire that serves one register alone; registers that so have too few like them, with wires that are read
    once: a wire that is read twice may be what makes them differ.
    """
    wires = _wires(lines, block, formats)
    families: list[list[Member]] = []
    for known in (wires, {name: wire for name, wire in wires.items() if wire.reads == 1}):
        alike: dict[tuple[object, ...], list[Member]] = defaultdict(list)
        taken = {member.register for members in families for member in members}
        for member in _members(lines, block, formats, registers - taken, known):
            alike[member.statements, member.formats].append(member)
        families += [members for members in alike.values() if len(members) >= smallest]
    return families


def _members(
    lines: Sequence[str], block: range, formats: Mapping[str, Format], registers: set[str], wires: Mapping[str, Wire]
) -> list[Member]:
    """Every one of `registers` that is written by one enabled assignment."""
    members = []
    for number in block:
        found = _ENABLED.match(lines[number])
        alone = found is not None and not lines[number + 1].startswith("    else")
        if found and alone and found[2] in registers and not found[2].startswith(_SEEN_FROM_OUTSIDE):
            member = _member(number, found[1], found[2], found[3], wires, formats)
            members += [member] if member else []
    return members


def _wires(lines: Sequence[str], block: range, formats: Mapping[str, Format]) -> dict[str, Wire]:
    uses = Counter(name for line in lines for name in NAME.findall(line))
    computed = [(number, found) for number in block if (found := _COMPUTED.match(lines[number]))]
    often = Counter(found[1] for _, found in computed)
    # all uses but the declaration and the one target are reads, or parts that are computed apart: more than any member reads
    return {
        found[1]: Wire(number, found[2], uses[found[1]] - 2)
        for number, found in computed
        if often[found[1]] == 1 and found[1] in formats
    }


def _private(source: str, wires: Mapping[str, Wire]) -> list[str]:
    """Wires that nothing but `source` reads, directly or through each other; each of them behind those that it reads."""
    reads = Counter(NAME.findall(source))
    own: set[str] = set()
    while more := {name for name in reads if name in wires and name not in own and reads[name] == wires[name].reads}:
        own |= more
        for name in more:
            reads.update(NAME.findall(wires[name].source))
    return sorted(own, key=lambda name: wires[name].line)


def _member(
    number: int, enable: str, register: str, source: str, wires: Mapping[str, Wire], formats: Mapping[str, Format]
) -> Member | None:
    """None where the register is computed from something else than wires, registers and constant parts of them."""
    own = _private(source, wires)
    texts = [*(wires[name].source for name in own), source]
    found = [match for text in texts for match in _PLACED.finditer(text)]
    plain = all(match[1] in formats and not match.string[match.end() :].lstrip().startswith("[") for match in found)
    if not plain or enable not in formats:
        return None
    places = {name: place for place, name in enumerate((register, *own))}
    names = [enable, *dict.fromkeys(match[0] for match in found if match[1] not in places)]
    holes = dict(zip(names[1:], count(1 + len(places)), strict=False))

    def hole(match: re.Match[str]) -> str:
        return f"@{places[match[1]]}{match[2] or ''}" if match[1] in places else f"@{holes[match[0]]}"

    statements = tuple(_PLACED.sub(hole, text) for text in texts)
    lines = (*(wires[name].line for name in own), number)
    read = tuple(_format(name, formats) for name in (*places, *names))
    return Member(register, lines, tuple(own), statements, tuple(names), read)


def _format(placed: str, formats: Mapping[str, Format]) -> Format:
    """Of a name with or without an index: a part of anything is unsigned."""
    name, _, index = placed.partition("[")
    high, _, low = index.rstrip("]").partition(":")
    return (int(high) - int(low or high) + 1, False) if index else formats[name.strip()]
