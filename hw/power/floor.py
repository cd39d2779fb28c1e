"""The floor: what the necessary work alone would take, each product at the energy of a bare multiplier, each bit read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

Product = TypeVar("Product")
Constant = TypeVar("Constant")


@dataclass(frozen=True)
class Floor:
    """Energy of one decision by part, in nJ. No additions, registers, clock, control, leakage, nor anything read twice."""

    products_nj: float
    constants_nj: float
    weights_nj: float
    samples_nj: float

    @property
    def total_nj(self) -> float:
        return self.products_nj + self.constants_nj + self.weights_nj + self.samples_nj

    def power_uw(self, decisions_per_s: float) -> float:
        """At so many decisions per second."""
        return self.total_nj * decisions_per_s * 1e-3


def floor(
    *,
    products: Mapping[Product, float],
    product_pj: Mapping[Product, float],
    constants: Mapping[Constant, float],
    constant_pj: Mapping[Constant, float],
    weight_bits: float,
    sample_bits: float,
    read_pj_per_bit: float,
) -> Floor:
    """Counts per decision and pJ each, under the same keys. KeyError where an energy is missing."""
    return Floor(
        products_nj=sum(count * product_pj[key] for key, count in products.items()) / 1e3,
        constants_nj=sum(count * constant_pj[key] for key, count in constants.items()) / 1e3,
        weights_nj=weight_bits * read_pj_per_bit / 1e3,
        samples_nj=sample_bits * read_pj_per_bit / 1e3,
    )
