"""The bitstream step without its tools: what nextpnr's log and report become, for both families of FPGA."""

from pathlib import Path

import pytest

from designs.ind_tiny import IND_TINY
from hw.flow import bitstream
from hw.flow.step import CheckFailed, WrongInput
from hw.flow.tool import Tool, ToolError
from hw.targets.board import BOARDS, Board

ICE40, ECP5 = BOARDS["icebreaker"], BOARDS["ulx3s-85f"]
UTILISATION = {
    "icebreaker": """\
Info: Device utilisation:
Info: \t         ICESTORM_LC:    4676/   5280    88%
Info: \t        ICESTORM_RAM:      28/     30    93%
Info: \t        ICESTORM_DSP:       8/      8   100%
""",
    "ulx3s-85f": """\
Info: Device utilisation:
Info: \t              DP16KD:      37/    208    17%
Info: \t          MULT18X18D:      18/    156    11%
Info: \t          TRELLIS_FF:    2440/  83640     2%
Info: \t        TRELLIS_COMB:   11234/  83640    13%
""",
}
MISSED = {
    "icebreaker": "ERROR: Max frequency for clock 'cd_sync.clk': 11.21 MHz (FAIL at 12.00 MHz)\n",
    "ulx3s-85f": "ERROR: Max frequency for clock '$glbnet$cd_sync.clk': 21.78 MHz (FAIL at 25.00 MHz)\n",
}
BEFORE_ROUTING = "Warning: Max frequency for clock 'cd_sync.clk': 9.87 MHz (FAIL at 12.00 MHz)\n"
REPORTS = {
    "icebreaker": {
        "fmax": {"cd_sync.clk": {"achieved": 18.82317543029785, "constraint": 12.00004768371582}},
        "utilization": {
            "ICESTORM_LC": {"available": 5280, "used": 4676},
            "ICESTORM_RAM": {"available": 30, "used": 28},
            "ICESTORM_DSP": {"available": 8, "used": 8},
            "SB_IO": {"available": 39, "used": 5},
        },
    },
    "ulx3s-85f": {
        "fmax": {"$glbnet$cd_sync.clk": {"achieved": 41.77981948852539, "constraint": 25}},
        "utilization": {
            "DP16KD": {"available": 208, "used": 37},
            "MULT18X18D": {"available": 156, "used": 18},
            "TRELLIS_COMB": {"available": 83640, "used": 11234},
            "TRELLIS_FF": {"available": 83640, "used": 2440},
        },
    },
}
NETLIST = {
    "modules": {
        "SB_LUT4": {"attributes": {"blackbox": "00000000000000000000000000000001"}, "cells": {}},
        "top": {
            "attributes": {"top": "00000000000000000000000000000001"},
            "cells": {
                "a": {"type": "SB_LUT4"},
                "b": {"type": "SB_LUT4"},
                "c": {"type": "SB_DFF"},
                "d": {"type": "SB_DFFESR"},
                "e": {"type": "SB_DFFSS"},
                "f": {"type": "SB_CARRY"},
            },
        },
    }
}
both = pytest.mark.parametrize("board", [ICE40, ECP5], ids=lambda board: board.name)


def build(board: Board, log: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step's build where the script fails and leaves `log`."""

    def fail(command: list[str], folder: Path, **options: object) -> None:
        if log is not None:
            (folder / "prototype.tim").write_text(log)
        raise ToolError("sh ended with code 255")

    monkeypatch.setattr(bitstream, "run_tool", fail)
    monkeypatch.setattr(Tool, "path", lambda tool: tool.command)
    bitstream._build(folder, board, IND_TINY)


@pytest.mark.parametrize(
    ("board", "old", "new", "short"),
    [
        (ICE40, "4676/   5280    88%", "7011/   5280   132%", "icebreaker (iCE40UP5K): ICESTORM_LC 7011 of 5280;"),
        (ICE40, "  28/     30", "  34/     30", "icebreaker (iCE40UP5K): ICESTORM_RAM 34 of 30;"),
        (ECP5, "  37/    208", " 240/    208", "ulx3s-85f (LFE5U-85F): DP16KD 240 of 208;"),
        (ECP5, "11234/  83640", "90001/  83640", "ulx3s-85f (LFE5U-85F): TRELLIS_COMB 90001 of 83640;"),
    ],
)
def test_a_design_that_does_not_fit_is_refused_with_the_resource_that_is_short(
    board: Board, old: str, new: str, short: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = UTILISATION[board.name]
    assert old in good
    with pytest.raises(WrongInput) as caught:
        build(board, good.replace(old, new) + "ERROR: Unable to place cell\n", tmp_path, monkeypatch)
    assert str(caught.value) == f"ind_tiny: does not fit {short} take a larger board or a smaller design"


def test_every_resource_that_is_short_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = UTILISATION["icebreaker"].replace("4676", "9999").replace(" 8/", "12/")
    with pytest.raises(WrongInput, match=r"ICESTORM_LC 9999 of 5280, ICESTORM_DSP 12 of 8; take a larger board"):
        build(ICE40, log, tmp_path, monkeypatch)


@both
def test_missed_timing_is_a_failed_check(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckFailed) as caught:
        build(board, UTILISATION[board.name] + BEFORE_ROUTING + MISSED[board.name], tmp_path, monkeypatch)
    reason = MISSED[board.name].removeprefix("ERROR: ").strip()
    assert str(caught.value) == f"ind_tiny: {board.name}: {reason}; take another seed or a slower clock"


@pytest.mark.parametrize("log", [None, UTILISATION["icebreaker"], ""])
def test_any_other_failure_stays_the_tools_own(log: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolError, match="sh ended with code 255"):
        build(ICE40, log, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("board", "expected"),
    [
        (
            ICE40,
            {"logic_cells": 4676, "brams": 28, "dsps": 8, "luts": 2, "ffs": 3, "fmax_mhz": 18.82, "clock_mhz": 12},
        ),
        (ECP5, {"luts": 11234, "ffs": 2440, "brams": 37, "dsps": 18, "fmax_mhz": 41.78, "clock_mhz": 25}),
    ],
    ids=lambda value: value.name if isinstance(value, Board) else "",
)
def test_resources_and_fmax_are_metrics(board: Board, expected: dict[str, float]) -> None:
    found = bitstream.fpga_metrics(REPORTS[board.name], bitstream.count_cells(NETLIST), board)
    assert {metric.name.removeprefix("fpga__"): metric.value for metric in found} == expected
    assert all(metric.origin for metric in found)


def test_the_slowest_clock_counts() -> None:
    report = REPORTS["ulx3s-85f"] | {"fmax": {"a": {"achieved": 80.0}, "b": {"achieved": 30.5}}}
    found = bitstream.fpga_metrics(report, {}, ECP5)
    assert {metric.value for metric in found if metric.name == "fpga__fmax_mhz"} == {30.5}


def test_black_boxes_of_the_library_are_not_cells_of_the_design() -> None:
    assert dict(bitstream.count_cells(NETLIST)) == {"SB_LUT4": 2, "SB_DFF": 1, "SB_DFFESR": 1, "SB_DFFSS": 1, "SB_CARRY": 1}


@both
def test_the_timing_report_is_kept_by_seed(board: Board) -> None:
    assert bitstream.nextpnr_options(board) == f"--seed {board.seed} --report prototype.report.json"
