"""Energy from one process and voltage to another, by the published fits of Stillmaker and Baas.

A. Stillmaker and B. Baas, "Scaling equations for the accurate prediction of CMOS device performance from 180 nm to 7 nm",
Integration, the VLSI Journal 58, 2017, pp. 74-81, doi 10.1016/j.vlsi.2017.02.002, Table 5: energy per operation of a process is
proportional to a2 V^2 + a1 V + a0. Fitted to HSpice with PTM and ITRS models of a few gates: processors follow them within tens
of per cent, memories and leakage not at all. The coefficients were read in two public transcriptions of the table that agree
(wromaszkan/nodeScale for all, a second for 130 nm to 32 nm) and give the worked example of the authors' corrigendum.
"""

from dataclasses import dataclass

REFERENCE_NM, REFERENCE_V = 130, 1.2
"""IHP SG13G2 at the typical corner."""

ENERGY: dict[int, dict[str, tuple[float, float, float]]] = {
    180: {"": (0.0, 24.64, -17.98)},
    130: {"": (7.171, -6.709, 2.904)},
    90: {"": (4.762, -4.781, 2.092)},
    65: {"": (3.755, -4.398, 1.975)},
    45: {"high performance": (1.018, -0.3107, 0.1539), "low power": (1.103, -0.362, 0.2767)},
    32: {"high performance": (0.8367, -0.4341, 0.1701), "low power": (0.9559, -0.7823, 0.471)},
    20: {"high performance": (0.373, -0.1582, 0.04104), "low power": (0.2632, -0.14, 0.06841)},
    16: {"high performance": (0.2958, -0.1241, 0.03024), "low power": (0.2139, -0.1187, 0.05639)},
}
"""Node in nm -> kind of transistor -> (a2, a1, a0)."""
ASSUMED_V: dict[int, tuple[float, float]] = {
    180: (1.62, 1.8),
    130: (1.08, 1.2),
    90: (1.0, 1.2),
    65: (1.0, 1.2),
    45: (0.9, 1.1),
    32: (0.9, 1.0),
    20: (0.8, 0.9),
    16: (0.7, 0.8),
}
"""Supply where a publication does not tell it: an assumption of ours, the range in which such processes are usually run."""


@dataclass(frozen=True)
class Factor:
    """Energy at the reference over energy where it was published: the least and the most of all fits that may apply."""

    low: float
    high: float


def energy_factor(node_nm: int, volt: float, kind: str = "") -> float | None:
    """Relative energy of an operation; None where the fit does not rise with the voltage or is not positive: outside its range.

    KeyError for a node or kind that has no fit.
    """
    a2, a1, a0 = ENERGY[node_nm][kind]
    found = a2 * volt**2 + a1 * volt + a0
    return found if found > 0 and 2 * a2 * volt + a1 > 0 else None


def to_reference(node_nm: int | None, volt: float | None) -> Factor | None:
    """From `node_nm` and `volt` (None: not published) to 130 nm and 1.2 V; None where no fit applies.

    A node between two of the table takes both; a node below 65 nm both kinds of transistor; an unknown voltage the range
    assumed for the node. Beyond the table nothing is said.
    """
    if node_nm is None:
        return None
    reference = energy_factor(REFERENCE_NM, REFERENCE_V)
    assert reference is not None
    found = []
    for node in _neighbours(node_nm):
        for kind in ENERGY[node]:
            for supply in (volt,) if volt is not None else ASSUMED_V[node]:
                there = energy_factor(node, supply, kind)
                if there is None:
                    return None
                found.append(reference / there)
    return Factor(min(found), max(found)) if found else None


def _neighbours(node_nm: int) -> tuple[int, ...]:
    if node_nm in ENERGY:
        return (node_nm,)
    above = [node for node in ENERGY if node > node_nm]
    below = [node for node in ENERGY if node < node_nm]
    return (min(above), max(below)) if above and below else ()
