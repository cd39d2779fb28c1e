"""A flat Verilog module rearranged for fast simulation: what feeds only registers that stand still is not computed.

Simulators evaluate combinational logic whenever an input of it may have changed, whether anybody looks at the result or not.
Here every assignment whose value is seen by enabled registers and memories alone moves in front of them, behind the `if` of
their enables. Same registers, same integers, cycle for cycle; waveforms of the moved wires are stale while nobody looks.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

GUARDS_MAX = 32
"""Logic that more enables look at is computed in every cycle: testing them would cost as much."""
WIDEST = 1 << 30
"""Beyond any wire's highest bit."""
_NAME = re.compile(r"(?<![\w'])[A-Za-z_]\w*")
_NUMBER = re.compile(r"\d*'s?[hbdo][0-9a-fA-FxzXZ_]+")
_KEYWORDS = frozenset(("assign", "always", "posedge", "if", "else", "begin", "end", "signed"))
_DECLARED = re.compile(r"\s+(?:input |output )?(wire|reg) (?:signed )?(?:\[[\d:]+\] )?(\w+)")
_INITIALISED = re.compile(r"^(  wire (?:signed )?(?:\[[\d:]+\] )?(\w+)) = (.*);$", re.MULTILINE)
_ASSIGNED = re.compile(r"\s+assign (.*?) = (.*);$")
_REGISTERED = re.compile(r"(\w+) ?(\[[^]]*\] )?<= (.*?);")
_CONDITION = re.compile(r"if \(([^)]*)\)")
_PLACED = re.compile(r"(?<![\w'])([A-Za-z_]\w*)(?: ?\[(\d+)(?::(\d+))?\])?")

Bits = tuple[str, int, int]
"""A wire's name, its lowest and its highest bit that are meant."""


class GuardError(ValueError):
    """Verilog of another form than Yosys writes; the message shows the line."""


@dataclass
class Assignment:
    """A continuous assignment; `guards`: the enables behind which its value is seen, None among them where it always is."""

    line: int
    target_text: str
    source_text: str
    guards: set[str | None] = field(default_factory=set)

    @cached_property
    def targets(self) -> tuple[str, ...]:
        return _names(self.target_text)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        return _names(self.source_text)


@dataclass(frozen=True)
class Clocked:
    """An always block of one register or memory port, with the text behind its clock."""

    text: tuple[str, ...]
    guard: str | None
    read: tuple[str, ...]
    """Names that only matter while the guard holds."""
    watched: tuple[str, ...]
    """Names in its conditions."""


def guarded_verilog(text: str) -> str:
    """One flat module as Yosys writes it (-noattr, plain names, clock `clk`, reset `rst`) -> the same module, guarded."""
    # a wire that is declared with what it is, as Yosys writes the operand of a part that is chosen at run time
    lines = _INITIALISED.sub(r"\1;\n  assign \2 = \3;", text).split("\n")
    assignments, clocked, kept = _parse(lines)
    _spread_guards(assignments, clocked, always_seen=_outputs(lines))
    groups: dict[frozenset[str], list[Assignment]] = defaultdict(list)
    for one in assignments:
        if one.guards and None not in one.guards:
            groups[frozenset(guard for guard in one.guards if guard)].append(one)
    moved = {one.line for group in groups.values() for one in group}
    drawn = {name for group in groups.values() for one in group for name in one.targets}
    body = []
    for number in kept:
        found = _DECLARED.match(lines[number])
        if number not in moved:
            is_drawn = found is not None and found[2] in drawn
            body.append(lines[number].replace("wire", "reg", 1) if is_drawn else lines[number])
    end = max(number for number, line in enumerate(body) if line.startswith("endmodule"))
    return "\n".join([*body[:end], *_clocked_block(lines, groups, clocked), *body[end:]])


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in _NAME.findall(_NUMBER.sub(" ", text)) if name not in _KEYWORDS)


def _outputs(lines: Sequence[str]) -> set[str]:
    return {line.rstrip(";").split()[-1] for line in lines if line.startswith("  output ")}


def _parse(lines: Sequence[str]) -> tuple[list[Assignment], list[Clocked], list[int]]:
    """Assignments, clocked blocks, and the numbers of all lines that are in no clocked block."""
    assignments, clocked, kept = [], [], []
    number, until = 0, ""
    while number < len(lines):
        line = lines[number]
        if line.startswith("  always @(posedge clk)"):
            block = _block(lines, number)
            clocked.append(_clocked(block))
            number += len(block)
            continue
        if line.startswith("  always"):
            raise GuardError(f"line {number + 1}: {line.strip()!r} is no register of the clock clk")
        kept.append(number)
        if until:
            until = "" if line.startswith(until) else until
        elif line.startswith("  function "):
            until = "  endfunction"
        elif line.startswith("  initial begin"):
            until = "  end"
        elif found := _ASSIGNED.match(line):
            assignments.append(Assignment(number, found[1], found[2]))
        number += 1
    return assignments, clocked, kept


def _block(lines: Sequence[str], start: int) -> list[str]:
    """The lines of the always block that begins at `start`."""
    if lines[start].endswith("begin"):
        end = next(number for number in range(start, len(lines)) if lines[number] == "  end")
        return list(lines[start : end + 1])
    end = start + 1
    while not lines[end].endswith(";") or lines[end + 1].lstrip().startswith("else "):
        end += 1
    return list(lines[start : end + 1])


def _clocked(block: Sequence[str]) -> Clocked:
    text = " ".join(line.strip() for line in block)
    conditions = _CONDITION.findall(text)
    alternatives = len(re.findall(r"\belse\b", text))
    written = _REGISTERED.findall(_CONDITION.sub(" ", text))
    if not written:
        raise GuardError(f"{text!r} writes no register")
    guard = None
    enabled = (len(conditions), alternatives, len(written)) == (1, 0, 1)
    if enabled or (conditions[:1] == ["rst"] and (len(conditions), alternatives, len(written)) == (2, 1, 2)):
        guard = conditions[-1].strip()
    read = tuple(name for _, index, value in written for name in _names(index + " " + value))
    watched = tuple(name for condition in conditions for name in _names(condition))
    first = block[0].replace("always @(posedge clk)", "").strip()
    return Clocked((first, *block[1:]) if first else tuple(block[1:]), guard, read, watched)


def _spread_guards(assignments: Sequence[Assignment], clocked: Sequence[Clocked], *, always_seen: Iterable[str]) -> None:
    """Give every assignment the guards of everything that reads it, through other assignments too."""
    drivers: dict[str, list[Assignment]] = defaultdict(list)
    for one in assignments:
        for name in one.targets:
            drivers[name].append(one)
    waiting: list[Assignment] = []

    def see(names: Iterable[str], guards: set[str | None]) -> None:
        for name in names:
            for one in drivers.get(name, ()):
                if not guards <= one.guards:
                    one.guards |= guards
                    if len(one.guards) > GUARDS_MAX:
                        one.guards.add(None)
                    waiting.append(one)

    def settle() -> None:
        while waiting:
            one = waiting.pop()
            see(one.sources, {None} if None in one.guards else set(one.guards))
            for name in one.targets:  # parts of a wire stay together
                see([name], set(one.guards))

    see(always_seen, {None})
    for block in clocked:
        see(block.watched, {None})
        see(block.read, {block.guard})
    settle()


def _clocked_block(
    lines: Sequence[str], groups: dict[frozenset[str], list[Assignment]], clocked: Sequence[Clocked]
) -> list[str]:
    """One always block: guarded assignments, those with the most readers first, then every register."""
    block = ["  always @(posedge clk) begin"]
    for guards in sorted(groups, key=lambda guards: (-len(guards), sorted(guards))):
        block.append("    if (" + " || ".join(sorted(guards)) + ") begin")
        block += ["      " + lines[one.line].strip().removeprefix("assign ") for one in _in_order(groups[guards])]
        block.append("    end")
    return [*block, *(line for one in clocked for line in one.text), "  end"]


def _in_order(group: Sequence[Assignment]) -> list[Assignment]:
    """Every assignment behind those that it reads; a wire that is driven in parts may read its own other parts."""
    drivers: dict[str, list[tuple[int, int, Assignment]]] = defaultdict(list)
    for one in group:
        for name, low, high in _bits(one.target_text):
            drivers[name].append((low, high, one))
    order: list[Assignment] = []
    begun: set[int] = set()
    ended: set[int] = set()
    stack = [(root, False) for root in reversed(group)]
    while stack:
        one, expanded = stack.pop()
        if expanded:
            order.append(one)
            ended.add(one.line)
        elif one.line not in begun:
            begun.add(one.line)
            stack.append((one, True))
            for name, low, high in _bits(one.source_text):
                read = [driver for first, last, driver in drivers.get(name, ()) if first <= high and low <= last]
                if any(driver.line in begun and driver.line not in ended for driver in read):
                    raise GuardError(f"line {one.line + 1}: {name} depends on itself")
                stack += [(driver, False) for driver in read]
    return order


def _bits(text: str) -> list[Bits]:
    """Every wire in `text` with the bits that are meant; all of them where it has no index or no constant one."""
    found = _PLACED.findall(_NUMBER.sub(" ", text))
    return [
        (name, int(last or first or 0), int(first) if first else WIDEST) for name, first, last in found if name not in _KEYWORDS
    ]
