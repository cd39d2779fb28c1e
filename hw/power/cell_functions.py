"""Boolean functions of Liberty cells: text -> expression tree -> C expression, probability, truth."""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

_TOKEN = re.compile(r"\s*([A-Za-z_][\w\[\]]*|[01]|[!'&*|+^()])")


class FunctionError(ValueError):
    """A function text that does not follow the Liberty grammar."""


@dataclass(frozen=True)
class Function:
    """`op` is "pin", "const", "not", "and", "or" or "xor"."""

    op: str
    args: tuple["Function", ...] = ()
    pin: str = ""

    @property
    def pins(self) -> tuple[str, ...]:
        """Names in order of first appearance."""
        if self.op == "pin":
            return (self.pin,)
        return tuple(dict.fromkeys(name for arg in self.args for name in arg.pins))

    def c_expression(self, names: dict[str, str]) -> str:
        """Bitwise C over the expressions in `names`."""
        if self.op == "pin":
            return names[self.pin]
        if self.op == "const":
            return "~0ull" if self.pin == "1" else "0ull"
        if self.op == "not":
            return f"~({self.args[0].c_expression(names)})"
        mark = {"and": "&", "or": "|", "xor": "^"}[self.op]
        return "(" + mark.join(arg.c_expression(names) for arg in self.args) + ")"

    def value(self, values: dict[str, int]) -> int:
        """0 or 1 for pin values 0 or 1."""
        if self.op == "pin":
            return values[self.pin]
        if self.op == "const":
            return int(self.pin)
        found = [arg.value(values) for arg in self.args]
        if self.op == "not":
            return 1 - found[0]
        return {"and": min(found), "or": max(found), "xor": sum(found) & 1}[self.op]

    def probability(self, ones: dict[str, np.ndarray]) -> np.ndarray:
        """Chance of 1 when the pins are independent and 1 with probability `ones[pin]` (arrays of one shape)."""
        pins = self.pins
        if not pins:
            return np.asarray(float(self.pin == "1"))
        total: np.ndarray = np.zeros_like(ones[pins[0]])
        for row in _true_rows(self):
            term = np.ones_like(total)
            for pin, bit in zip(pins, row, strict=True):
                term = term * (ones[pin] if bit else 1 - ones[pin])
            total = total + term
        return total


@lru_cache(maxsize=4096)
def _true_rows(function: Function) -> tuple[tuple[int, ...], ...]:
    pins = function.pins
    return tuple(row for row in product((0, 1), repeat=len(pins)) if function.value(dict(zip(pins, row, strict=True))))


@lru_cache(maxsize=4096)
def parse_function(text: str) -> Function:
    """Liberty function: ``!A`` or ``A'``, ``&`` ``*`` or a blank for and, ``|`` ``+`` for or, ``^`` for exclusive or."""
    tokens, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            raise FunctionError(f"function {text!r}: unexpected {text[at:].strip()!r}")
        tokens.append(match.group(1))
        at = match.end()
    try:
        found, end = _or(tokens, 0)
    except IndexError as error:
        raise FunctionError(f"function {text!r} ends too early") from error
    if end != len(tokens):
        raise FunctionError(f"function {text!r}: unexpected {tokens[end]!r}")
    return found


def _or(tokens: list[str], at: int) -> tuple[Function, int]:
    return _chain(tokens, at, ("|", "+"), "or", lambda tokens, at: _chain(tokens, at, ("^",), "xor", _and))


def _chain(tokens, at, marks, op, inner):
    first, at = inner(tokens, at)
    args = [first]
    while at < len(tokens) and tokens[at] in marks:
        following, at = inner(tokens, at + 1)
        args.append(following)
    return (args[0] if len(args) == 1 else Function(op, tuple(args))), at


def _and(tokens: list[str], at: int) -> tuple[Function, int]:
    first, at = _unary(tokens, at)
    args = [first]
    while at < len(tokens) and tokens[at] not in "|+^)":
        following, at = _unary(tokens, at + 1 if tokens[at] in "&*" else at)
        args.append(following)
    return (args[0] if len(args) == 1 else Function("and", tuple(args))), at


def _unary(tokens: list[str], at: int) -> tuple[Function, int]:
    if tokens[at] == "!":
        inner, at = _unary(tokens, at + 1)
        return Function("not", (inner,)), at
    if tokens[at] == "(":
        found, at = _or(tokens, at + 1)
        if tokens[at] != ")":
            raise FunctionError(f"missing ')' before {tokens[at]!r}")
        at += 1
    elif tokens[at] in "01":
        found, at = Function("const", pin=tokens[at]), at + 1
    elif re.match(r"[A-Za-z_]", tokens[at]):
        found, at = Function("pin", pin=tokens[at]), at + 1
    else:
        raise FunctionError(f"unexpected {tokens[at]!r} in a function")
    while at < len(tokens) and tokens[at] == "'":
        found, at = Function("not", (found,)), at + 1
    return found, at
