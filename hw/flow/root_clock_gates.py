"""A clock gate in front of every block of the decoder: its clock moves only while something in it would change.

Within a block, `clockgate` has stopped the clocks of registers that keep their values. What is left, the clock pins of those
gates, of registers without an enable and of the memories, would still move in every cycle, and a decoder waits most of them.
"""

from typing import Any

from hw.targets.process import Gate

ENABLED, RESET_TO_0, RESET_TO_1 = "$_DFFE_PP_", "$_SDFF_PP0_", "$_SDFF_PP1_"
FLIP_FLOPS = ("$_DFF_P_", ENABLED, RESET_TO_0, RESET_TO_1)
"""Flip-flops without a clock gate; few share an enable, if they have one."""
MEMORY_CLOCK, MEMORY_ENABLE = "A_CLK", "A_MEN"
AWAKE = "awake"
"""The port that a block gets: 1 in a cycle at whose end a register changes or a memory is accessed."""

Bit = int | str


class UngateableError(ValueError):
    """A block holds a cell on the clock of which it is not known when it needs it."""


def add_root_clock_gates(design: dict[str, Any], top: str, clock: str, gate: Gate) -> list[str]:
    """Gates the clock of every block that `top` instantiates, where that is safe; returns the blocks' names.

    design: Yosys JSON after `clockgate`, before registers and logic are mapped; it is changed in place. Safe by construction:
    `awake` is the or of all enables of clock gates, of all memory accesses, and of "its next value is another" of all other
    registers, so a stopped clock changes nothing. Blocks with other cells on the clock keep it.
    """
    editor = _Editor(design, gate)
    whole = editor.modules[top]
    (clock_bit,) = whole["ports"][clock]["bits"]
    gated = []
    for name, cell in sorted(whole["cells"].items()):
        ports = [port for port, bits in cell["connections"].items() if bits == [clock_bit]]
        if cell["type"] not in editor.blocks or len(ports) != 1:
            continue
        try:
            editor.give_awake(cell["type"], ports[0])
        except UngateableError:
            continue
        awake, gated_clock = editor.new_bit(top), editor.new_bit(top)
        cell["connections"] |= {AWAKE: [awake], ports[0]: [gated_clock]}
        pins = dict(zip(gate.pins, ([awake], [clock_bit], [gated_clock]), strict=True))
        directions = dict(zip(gate.pins, ("input", "input", "output"), strict=True))
        editor.add_cell(top, f"{name}_clock", gate.cell, pins, directions)
        gated.append(name)
    return gated


class _Editor:
    """Adds nets and cells to the modules of a design."""

    def __init__(self, design: dict[str, Any], gate: Gate):
        self.modules, self._gate = design["modules"], gate
        self.blocks = {name for name, module in self.modules.items() if "blackbox" not in module.get("attributes", {})}
        self._free = {name: 1 + max(_bits_of(self.modules[name]), default=1) for name in self.blocks}
        self._done: set[tuple[str, str]] = set()

    def new_bit(self, module: str) -> int:
        self._free[module] += 1
        return self._free[module] - 1

    def add_cell(self, module: str, name: str, kind: str, pins: dict[str, list[Bit]], directions: dict[str, str]) -> None:
        self.modules[module]["cells"][name] = {
            "hide_name": 0,
            "type": kind,
            "parameters": {},
            "attributes": {},
            "port_directions": directions,
            "connections": pins,
        }

    def give_awake(self, module: str, clock: str) -> None:
        """The port `awake` for a module and all within it that has the clock. UngateableError, and nothing done, where not."""
        self._check(module, clock)
        self._give_awake(module, clock)

    def _give_awake(self, module: str, clock: str) -> None:
        if (module, clock) in self._done:
            return
        (clock_bit,) = self.modules[module]["ports"][clock]["bits"]
        wants: list[Bit] = []
        for cell in list(self.modules[module]["cells"].values()):
            if [clock_bit] in cell["connections"].values():
                wants += self._wants(module, cell, clock_bit)
        result = self._any(module, sorted(set(wants), key=str))
        self.modules[module]["ports"][AWAKE] = {"direction": "output", "bits": [result]}
        self.modules[module]["netnames"][AWAKE] = {"hide_name": 0, "bits": [result], "attributes": {}}
        self._done.add((module, clock))

    def _check(self, module: str, clock: str) -> None:
        (clock_bit,) = self.modules[module]["ports"][clock]["bits"]
        known = {self._gate.cell, *FLIP_FLOPS}
        for cell in self.modules[module]["cells"].values():
            at = [pin for pin, bits in cell["connections"].items() if clock_bit in bits]
            if cell["type"] in self.blocks and len(at) == 1:
                self._check(cell["type"], at[0])
            elif at and cell["type"] not in known and at != [MEMORY_CLOCK]:
                raise UngateableError(f"{module}: {cell['type']} on the clock")

    def _wants(self, module: str, cell: dict[str, Any], clock_bit: Bit) -> list[Bit]:
        """Nets that are 1 when a cell with the clock needs it: its enable, or its next value differs from its value."""
        kind, wires = cell["type"], cell["connections"]
        if kind in self.blocks:
            port = next(port for port, bits in wires.items() if bits == [clock_bit])
            self._give_awake(kind, port)
            wires.setdefault(AWAKE, [self.new_bit(module)])
            return list(wires[AWAKE])
        if kind == self._gate.cell:
            return list(wires[self._gate.pins[0]])
        if MEMORY_ENABLE in wires:
            return list(wires[MEMORY_ENABLE])
        (following,) = wires["D"]
        if kind in (RESET_TO_0, RESET_TO_1):
            following = self._gate_cell(module, "$_ANDNOT_" if kind == RESET_TO_0 else "$_OR_", following, *wires["R"])
        changes = self._gate_cell(module, "$_XOR_", following, *wires["Q"])
        return [self._gate_cell(module, "$_AND_", changes, *wires["E"]) if kind == ENABLED else changes]

    def _any(self, module: str, bits: list[Bit]) -> Bit:
        """The or of all, as a tree."""
        while len(bits) > 1:
            pairs: list[Bit] = [self._gate_cell(module, "$_OR_", *bits[at : at + 2]) for at in range(0, len(bits) - 1, 2)]
            bits = pairs + bits[2 * len(pairs) :]
        return bits[0] if bits else "0"

    def _gate_cell(self, module: str, kind: str, a: Bit, b: Bit) -> int:
        y = self.new_bit(module)
        pins: dict[str, list[Bit]] = {"A": [a], "B": [b], "Y": [y]}
        self.add_cell(module, f"{AWAKE}_{y}", kind, pins, {"A": "input", "B": "input", "Y": "output"})
        return y


def _bits_of(module: dict[str, Any]) -> list[int]:
    """Numbers of all nets of a module."""
    holders = [*module["ports"].values(), *module["netnames"].values()]
    lists = [holder["bits"] for holder in holders]
    lists += [bits for cell in module["cells"].values() for bits in cell["connections"].values()]
    return [bit for bits in lists for bit in bits if isinstance(bit, int)]
