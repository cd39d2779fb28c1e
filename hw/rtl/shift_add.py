"""Sums of constant multiples as shifts and adds: what a multiplierless filter is made of."""

from amaranth.hdl import Const, Value


def signed_digits(constant: int) -> list[tuple[int, int]]:
    """Canonical signed digits of `constant` as (sign, shift): the fewest terms +-2 ** shift whose sum it is.

    7 -> [(-1, 0), (1, 3)]; 0 -> [].
    """
    digits, shift = [], 0
    while constant:
        if constant & 1:
            sign = 2 - (constant & 3)  # 1 where the next bit is 0, -1 where a run of ones starts
            digits.append((sign, shift))
            constant -= sign
        constant >>= 1
        shift += 1
    return digits


def weighted_sum(values: list[Value], weights: tuple[int, ...] | list[int]) -> Value:
    """sum of weights[i] * values[i], signed, as balanced trees of shifted adds: positive terms minus negative ones."""
    terms = [
        (sign, value << shift) for value, weight in zip(values, weights, strict=True) for sign, shift in signed_digits(weight)
    ]
    added, taken = ([term for sign, term in terms if sign == wanted] for wanted in (1, -1))
    return (adder_tree(added) - adder_tree(taken)) if taken else adder_tree(added)


def adder_tree(terms: list[Value]) -> Value:
    """Sum of `terms`, neighbours first: depth is the logarithm of their number; 0 for none."""
    if len(terms) <= 1:
        return terms[0] if terms else Const(0)
    middle = len(terms) // 2
    return adder_tree(terms[:middle]) + adder_tree(terms[middle:])
