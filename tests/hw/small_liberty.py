"""A Liberty library of a few cells whose every energy is a round number, for results that can be worked out by hand."""

from pathlib import Path

from hw.power.cells import Cell, read_library

HEADER = """
library(small) {
  delay_model : table_lookup;
  time_unit : "1ns"; voltage_unit : "1V"; current_unit : "1uA"; leakage_power_unit : "1nW";
  capacitive_load_unit(1, pf);
  nom_voltage : 1.0; nom_temperature : 25;
  power_lut_template(by_load) { variable_1 : total_output_net_capacitance; index_1("0, 1"); }
"""
CELLS = {
    # 0.25 pJ per rise and 0.15 per fall without load, 1 pJ more at 1 pF: 0.2 + C per toggle
    "INV": """
  cell(INV) { area : 1; cell_leakage_power : 9;
    leakage_power() { when : "A"; value : 3; } leakage_power() { when : "!A"; value : 1; }
    pin(A) { direction : input; capacitance : 0.01; }
    pin(Y) { direction : output; function : "!A";
      internal_power() { related_pin : "A";
        rise_power(by_load) { values("0.25, 1.25"); } fall_power(by_load) { values("0.15, 1.15"); } } } }""",
    # 0.2 + C per toggle, for loads up to 1 pF
    "BUF": """
  cell(BUF) { area : 1.5; cell_leakage_power : 6;
    pin(A) { direction : input; capacitance : 0.005; }
    pin(Y) { direction : output; function : "A";
      internal_power() { related_pin : "A";
        rise_power(by_load) { values("0.25, 1.25"); } fall_power(by_load) { values("0.15, 1.15"); } } } }""",
    "NAND2": """
  cell(NAND2) { area : 2; cell_leakage_power : 2;
    pin(A) { direction : input; capacitance : 0.01; } pin(B) { direction : input; capacitance : 0.01; }
    pin(Y) { direction : output; function : "(A B)'";
      internal_power() { related_pin : "A";
        rise_power(scalar) { values("0.1"); } fall_power(scalar) { values("0.1"); } }
      internal_power() { related_pin : "B";
        rise_power(scalar) { values("0.3"); } fall_power(scalar) { values("0.3"); } } } }""",
    "XOR2": """
  cell(XOR2) { area : 3; cell_leakage_power : 2;
    pin(A) { direction : input; capacitance : 0.01; } pin(B) { direction : input; capacitance : 0.01; }
    pin(Y) { direction : output; function : "A ^ B";
      internal_power() { related_pin : "A B";
        rise_power(scalar) { values("0.2"); } fall_power(scalar) { values("0.2"); } } } }""",
    # the clock pin takes 0.4 pJ per toggle while D is 1 and 0.1 otherwise; Q takes 0.5 per toggle
    "DFF": """
  cell(DFF) { area : 5; cell_leakage_power : 4;
    ff(IQ, IQN) { next_state : "D"; clocked_on : "CK"; }
    pin(CK) { direction : input; clock : true; capacitance : 0.02;
      internal_power() { when : "D";
        rise_power(scalar) { values("0.4"); } fall_power(scalar) { values("0.4"); } }
      internal_power() {
        rise_power(scalar) { values("0.1"); } fall_power(scalar) { values("0.1"); } } }
    pin(D) { direction : input; capacitance : 0.01; }
    pin(Q) { direction : output; function : "IQ";
      internal_power() { related_pin : "CK";
        rise_power(scalar) { values("0.5"); } fall_power(scalar) { values("0.5"); } } } }""",
    "CG": """
  cell(CG) { area : 4; cell_leakage_power : 4; clock_gating_integrated_cell : "latch_posedge";
    pin(CK) { direction : input; clock : true; capacitance : 0.02; clock_gate_clock_pin : true;
      internal_power() {
        rise_power(scalar) { values("0.05"); } fall_power(scalar) { values("0.05"); } } }
    pin(EN) { direction : input; capacitance : 0.01; clock_gate_enable_pin : true; }
    pin(GCK) { direction : output; clock_gate_out_pin : true; state_function : "CK * EN";
      internal_power() { related_pin : "CK";
        rise_power(scalar) { values("0.07"); } fall_power(scalar) { values("0.07"); } } } }""",
    # 6 pJ per read, 8 per write, 0.5 for a clock without access
    "RAM4X2": """
  type(A2) { base_type : array; data_type : bit; bit_width : 2; bit_from : 1; bit_to : 0; downto : true; }
  cell(RAM4X2) { area : 100; cell_leakage_power : 50; memory() { type : ram; address_width : 2; word_width : 2; }
    pin(A_CLK) { direction : input; clock : true; capacitance : 0;
      internal_power() { when : "A_MEN & !A_WEN & A_REN";
        rise_power(scalar) { values("6"); } fall_power(scalar) { values("0"); } }
      internal_power() { when : "A_MEN & A_WEN & !A_REN";
        rise_power(scalar) { values("8"); } fall_power(scalar) { values("0"); } }
      internal_power() { when : "!A_MEN & !A_WEN & !A_REN";
        rise_power(scalar) { values("0.5"); } fall_power(scalar) { values("0"); } } }
    pin(A_MEN) { direction : input; capacitance : 0; } pin(A_WEN) { direction : input; capacitance : 0; }
    pin(A_REN) { direction : input; capacitance : 0; }
    bus(A_ADDR) { bus_type : A2; direction : input; capacitance : 0; }
    bus(A_DIN) { bus_type : A2; direction : input; capacitance : 0; }
    bus(A_DOUT) { bus_type : A2; direction : output; capacitance : 0; } }""",
}


def write_small_liberty(folder: Path, cells: tuple[str, ...] = tuple(CELLS)) -> Path:
    """The library with the named cells."""
    path = folder / "small.lib"
    path.write_text(HEADER + "".join(CELLS[name] for name in cells) + "\n}\n")
    return path


def small_cells(folder: Path) -> dict[str, Cell]:
    return read_library(write_small_liberty(folder)).cells
