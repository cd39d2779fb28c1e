"""Memories for processes without SRAM macros: a stated model, written as a Liberty file so that every tool treats it alike.

Reference: the typical-corner Liberty of IHP-Open-PDK's SG13G2 single-port macros (130 nm, 1.2 V; Apache-2.0). Energies scale
with capacitance times voltage squared, capacitance and area with the process's linear size, leakage with width and voltage.
A model, not a macro anybody can buy: reports mark every number that rests on it.
"""

from dataclasses import dataclass
from pathlib import Path

from hw.targets.process import Macro

REFERENCE_NM, REFERENCE_V = 130, 1.2
REFERENCE = (
    # depth, width, um2, pJ per read, pJ per write
    (64, 64, 50489, 39.05, 50.50),
    (256, 8, 17547, 10.21, 13.51),
    (256, 16, 28127, 14.19, 18.46),
    (256, 32, 49488, 26.01, 33.45),
    (256, 64, 93181, 49.63, 63.44),
    (512, 8, 26138, 12.13, 16.04),
    (512, 16, 45309, 19.57, 23.47),
    (512, 32, 79720, 36.01, 42.32),
    (512, 64, 150102, 68.90, 80.02),
    (1024, 8, 49419, 15.60, 19.92),
    (1024, 16, 79674, 26.49, 32.92),
    (1024, 32, 140183, 48.27, 58.92),
    (1024, 64, 263946, 91.83, 110.92),
    (2048, 64, 491634, 122.39, 155.37),
    (4096, 8, 146413, 33.72, 42.21),
    (4096, 16, 257609, 58.64, 72.49),
)
REFERENCE_LEAKAGE_W_PER_BIT = 12.1e-12


@dataclass(frozen=True)
class Scaling:
    node_nm: int
    voltage: float

    @property
    def energy(self) -> float:
        return self.node_nm / REFERENCE_NM * (self.voltage / REFERENCE_V) ** 2

    @property
    def area(self) -> float:
        return (self.node_nm / REFERENCE_NM) ** 2

    @property
    def leakage(self) -> float:
        return self.node_nm / REFERENCE_NM * self.voltage / REFERENCE_V

    @property
    def citation(self) -> str:
        return (
            f"memories are a model: IHP SG13G2 single-port macros (130 nm, 1.2 V, typical) scaled to {self.node_nm} nm, "
            f"{self.voltage:g} V by C V^2 (energy x {self.energy:.2f}, area x {self.area:.2f})"
        )


def macros(scaling: Scaling) -> tuple[Macro, ...]:
    """The modelled memories, smallest first."""
    return tuple(
        Macro(
            cell=f"MODELLED_1P_{depth}x{width}",
            depth=depth,
            width=width,
            area_um2=area * scaling.area,
            read_pj=read_pj * scaling.energy,
            write_pj=write_pj * scaling.energy,
            leakage_w=depth * width * REFERENCE_LEAKAGE_W_PER_BIT * scaling.leakage,
        )
        for depth, width, area, read_pj, write_pj in REFERENCE
    )


def write_liberty(macro: Macro, path: Path, scaling: Scaling) -> Path:
    """One macro as Liberty: pins A_CLK A_MEN A_WEN A_REN A_ADDR A_DIN A_DOUT, access energies on the clock, 3.5 ns access."""
    energy = (
        'internal_power() {{ when : "{}"; rise_power(scalar) {{ values("{:.6g}"); }} fall_power(scalar) {{ values("0"); }} }}'
    )
    setup = "".join(
        f'timing() {{ related_pin : "A_CLK"; timing_type : {kind}_rising; rise_constraint(scalar) {{ values("{ns}"); }} '
        f'fall_constraint(scalar) {{ values("{ns}"); }} }} '
        for kind, ns in (("setup", 0.5), ("hold", 0.1))
    )
    delay = "".join(
        f'{kind}(scalar) {{ values("{ns}"); }} '
        for kind, ns in (("cell_rise", 3.5), ("cell_fall", 3.5), ("rise_transition", 0.1), ("fall_transition", 0.1))
    )
    capacitance = 0.005 * scaling.node_nm / REFERENCE_NM
    bus = "bus({}) {{ bus_type : {}; direction : {}; capacitance : {:.5f}; {} }}"
    lines = [
        f"library({macro.cell}) {{",
        '  delay_model : table_lookup; time_unit : "1ns"; voltage_unit : "1V"; current_unit : "1uA";',
        '  leakage_power_unit : "1nW"; pulling_resistance_unit : "1kohm"; capacitive_load_unit(1, pf);',
        *(f"  {kind}_threshold_pct_{edge} : 50;" for kind in ("input", "output") for edge in ("rise", "fall")),
        *(
            f"  slew_{end}_threshold_pct_{edge} : {pct};"
            for end, pct in (("lower", 20), ("upper", 80))
            for edge in ("rise", "fall")
        ),
        f"  nom_process : 1; nom_voltage : {scaling.voltage:g}; nom_temperature : 25;",
        *(
            f"  type({kind}) {{ base_type : array; data_type : bit; bit_width : {bits}; "
            f"bit_from : {bits - 1}; bit_to : 0; downto : true; }}"
            for kind, bits in (("ADDRESS", macro.address_bits), ("WORD", macro.width))
        ),
        f"  cell({macro.cell}) {{",
        f"    area : {macro.area_um2:.1f}; cell_leakage_power : {macro.leakage_w * 1e9:.4f}; interface_timing : true;",
        f"    memory() {{ type : ram; address_width : {macro.address_bits}; word_width : {macro.width}; }}",
        f"    pin(A_CLK) {{ direction : input; clock : true; capacitance : {capacitance:.5f};",
        "      " + energy.format("A_MEN & !A_WEN & A_REN", macro.read_pj),
        "      " + energy.format("A_MEN & A_WEN & !A_REN", macro.write_pj) + " }",
        *(
            f"    pin({name}) {{ direction : input; capacitance : {capacitance:.5f}; {setup}}}"
            for name in ("A_MEN", "A_WEN", "A_REN")
        ),
        "    " + bus.format("A_ADDR", "ADDRESS", "input", capacitance, setup),
        "    " + bus.format("A_DIN", "WORD", "input", capacitance, setup),
        "    "
        + bus.format("A_DOUT", "WORD", "output", 0, f'timing() {{ related_pin : "A_CLK"; timing_type : rising_edge; {delay}}}'),
        "  }",
        "}",
    ]
    path.write_text("\n".join(lines) + "\n")
    return path
