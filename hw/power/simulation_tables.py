"""Netlist -> the index tables of the gate simulator: operations in topological order, registers by clock domain, macros."""

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

import numpy as np

from hw.power.cell_functions import Function
from hw.power.cells import Cell
from hw.power.netlist import ZERO, Instance, Netlist, NetlistError

CASE = "    case {}: return {};"


@dataclass(frozen=True)
class Operation:
    """`out = function(ins)`; `instance` and `pin` say which cell output it is (-1 for a register's data function)."""

    instance: int
    pin: str
    code: int
    out: int
    ins: tuple[int, ...]
    pins: tuple[str, ...]


@dataclass
class Domain:
    """Registers clocked by one net. `enable`: net of the clock gate's enable, sampled at the edge; -1 for the clock."""

    net: int
    parent: int
    enable: int
    flops: list[tuple[int, int, int, int]] = field(default_factory=list)
    """(data net, output net, inverse output net or -1, instance)."""


@dataclass
class Tables:
    netlist: Netlist
    operations: list[Operation]
    domains: list[Domain]
    macros: list[tuple[int, int]]
    """(instance, domain)."""
    cases: list[str]
    """C cases of the cell functions in use."""
    nets: int
    """Nets of the netlist, and behind them one per register whose data is a function of several pins."""

    @property
    def clock_nets(self) -> list[int]:
        return [domain.net for domain in self.domains]


def build_tables(netlist: Netlist, clock: str) -> Tables:
    """Tables for the netlist clocked by input port `clock`. NetlistError names what cannot be simulated and why."""
    return _Builder(netlist, clock).build()


class _Builder:
    def __init__(self, netlist: Netlist, clock: str):
        if clock not in netlist.ports or netlist.ports[clock][0] != "input":
            raise NetlistError(f"{netlist.top}: has no input port {clock} to clock it")
        self._netlist = netlist
        self._drivers = netlist.drivers()
        self._codes: dict[tuple[Function, tuple[str, ...]], int] = {}
        self._operations: list[Operation] = []
        self._nets = netlist.nets
        root = netlist.ports[clock][1][0]
        self._domains = [Domain(root, 0, -1)]
        self._domain_of = {root: 0}
        self._macros: list[tuple[int, int]] = []

    def build(self) -> Tables:
        for index, instance in enumerate(self._netlist.instances):
            cell = instance.cell
            if cell.memory:
                self._macros.append((index, self._domain(instance.pins["A_CLK"], instance)))
            elif cell.clock_gate:
                self._domain(
                    instance.pins[cell.clock_gate.output], instance
                ) if cell.clock_gate.output in instance.pins else None
            elif cell.register:
                self._add_register(index, instance)
            elif cell.is_latch:
                raise NetlistError(f"{instance.name} is a latch ({cell.name}); only edge-triggered designs can be simulated")
            else:
                self._add_logic(index, instance)
        clocks = set(self._domain_of)
        operations = [op for op in self._operations if op.out not in clocks]
        cases = [
            CASE.format(code, function.c_expression({pin: f"v[in[{i}]]" for i, pin in enumerate(pins)}))
            for (function, pins), code in self._codes.items()
        ]
        return Tables(
            self._netlist, _in_order(operations, self._nets, self._netlist), self._domains, self._macros, cases, self._nets
        )

    def _code(self, function: Function) -> int:
        """Functions of the same shape share a case: pins are numbered in order of appearance."""
        pins = function.pins
        renamed = _rename(function, {pin: f"p{i}" for i, pin in enumerate(pins)})
        return self._codes.setdefault((renamed, tuple(f"p{i}" for i in range(len(pins)))), len(self._codes))

    def _add_logic(self, index: int, instance: Instance) -> None:
        for pin, net in instance.pins.items():
            found = instance.cell.pin(pin)
            if found.direction != "output":
                continue
            if found.function is None or found.tristate:
                raise NetlistError(f"{instance.name} ({instance.cell.name}) pin {pin} has no function to simulate")
            pins = found.function.pins
            ins = tuple(instance.pins[name] for name in pins)
            self._operations.append(Operation(index, pin, self._code(found.function), net, ins, pins))

    def _add_register(self, index: int, instance: Instance) -> None:
        cell = instance.cell
        register = cell.register
        assert register is not None
        if register.clock.op != "pin":
            raise NetlistError(f"{instance.name} ({cell.name}) does not clock on a rising edge; only those can be simulated")
        self._require_inactive(instance, cell)
        outputs = {pin: _output_state(cell, pin) for pin in instance.pins if cell.pin(pin).direction == "output"}
        q = [instance.pins[pin] for pin, state in outputs.items() if state == 1]
        inverse = [instance.pins[pin] for pin, state in outputs.items() if state == 0]
        if not q:
            q = [self._new_net()]
        domain = self._domains[self._domain(instance.pins[register.clock.pin], instance)]
        domain.flops.append((self._data_net(index, instance), q[0], inverse[0] if inverse else -1, index))

    def _data_net(self, index: int, instance: Instance) -> int:
        function = instance.cell.register.next_state  # type: ignore[union-attr]
        if function.op == "pin":
            return instance.pins[function.pin]
        net = self._new_net()
        ins = tuple(instance.pins[pin] for pin in function.pins)
        self._operations.append(Operation(-1, "", self._code(function), net, ins, function.pins))
        return net

    def _new_net(self) -> int:
        self._nets += 1
        return self._nets - 1

    def _require_inactive(self, instance: Instance, cell: Cell) -> None:
        """Asynchronous set and clear must be tied off: by constants or tie cells."""
        register = cell.register
        assert register is not None
        for role, function in (("clear", register.clear), ("preset", register.preset)):
            if function is None:
                continue
            values = {pin: self._constant(instance.pins[pin]) for pin in function.pins}
            if None in values.values() or function.value(values):  # type: ignore[arg-type]
                raise NetlistError(
                    f"{instance.name} ({cell.name}): its asynchronous {role} is driven by logic; use a synchronous reset"
                )

    def _constant(self, net: int) -> int | None:
        if net in (0, 1):
            return net
        driver = self._drivers[net]
        if driver is None:
            return None
        function = self._netlist.instances[driver[0]].cell.pin(driver[1]).function
        return int(function.pin) if function is not None and function.op == "const" else None

    def _domain(self, net: int, user: Instance) -> int:
        """Number of the clock domain of a clock net, made when first met."""
        if net in self._domain_of:
            return self._domain_of[net]
        driver = self._drivers[net]
        if driver is None:
            raise NetlistError(f"{user.name} is clocked by {self._netlist.net_names[net]}, which is not the clock")
        gate = self._netlist.instances[driver[0]]
        if gate.cell.clock_gate:
            pins = gate.cell.clock_gate
            parent = self._domain(gate.pins[pins.clock], gate)
            if pins.test and gate.pins[pins.test] != ZERO:
                raise NetlistError(f"{gate.name} ({gate.cell.name}): its test pin is not tied to 0")
            self._domains.append(Domain(net, parent, gate.pins[pins.enable]))
        else:
            function = gate.cell.pin(driver[1]).function
            if function is None or function.op != "pin":
                raise NetlistError(
                    f"{user.name} is clocked through {gate.name} ({gate.cell.name}), neither a buffer nor a clock gate"
                )
            parent = self._domain(gate.pins[function.pin], gate)
            self._domains.append(Domain(net, parent, 1))
        self._domain_of[net] = len(self._domains) - 1
        return self._domain_of[net]


def _rename(function: Function, names: dict[str, str]) -> Function:
    pin = names.get(function.pin, function.pin) if function.op == "pin" else function.pin
    return Function(function.op, tuple(_rename(arg, names) for arg in function.args), pin)


def _output_state(cell: Cell, pin: str) -> int:
    """1 for the register's state, 0 for its inverse."""
    register, function = cell.register, cell.pin(pin).function
    assert register is not None
    if function is not None and function.op == "pin" and function.pin in (register.state, register.inverse):
        return int(function.pin == register.state)
    if function is not None and function.op == "not" and function.args[0].pin in (register.state, register.inverse):
        return int(function.args[0].pin == register.inverse)
    raise NetlistError(f"{cell.name} pin {pin} is neither the register's state nor its inverse")


def _in_order(operations: list[Operation], nets: int, netlist: Netlist) -> list[Operation]:
    """Topological order, and within it the netlist's order, so that neighbours stay together."""
    made_by = {op.out: i for i, op in enumerate(operations)}
    users: list[list[int]] = [[] for _ in operations]
    waiting = np.zeros(len(operations), np.int64)
    for i, op in enumerate(operations):
        for net in set(op.ins):
            if net in made_by:
                users[made_by[net]].append(i)
                waiting[i] += 1
    ready = [i for i in range(len(operations)) if waiting[i] == 0]
    heapify(ready)
    order = []
    while ready:
        i = heappop(ready)
        order.append(operations[i])
        for user in users[i]:
            waiting[user] -= 1
            if waiting[user] == 0:
                heappush(ready, user)
    if len(order) < len(operations):
        stuck = next(op for i, op in enumerate(operations) if waiting[i] > 0)
        name = netlist.instances[stuck.instance].name if stuck.instance >= 0 else "a register's data"
        raise NetlistError(f"{netlist.top}: a combinational loop passes through or before {name}")
    return order
