"""The comparison: scaling by hand, published data checked, bounds judged, tables put between markers, rows chosen."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import hw.compare.__main__ as command
from designs.metric import Metric
from designs.schema import DesignError
from hw.compare.bounds import Bound, judge
from hw.compare.document import DocumentError, with_tables, write_tables
from hw.compare.published import Decoder, PublishedError, read_published
from hw.compare.rows import ROWS, Row, chosen_rows, measure_floats
from hw.compare.scaling import ASSUMED_V, ENERGY, energy_factor, to_reference
from hw.compare.tables import designs_table, floats_table, published_table, references_table
from hw.flow.runner import Made
from hw.flow.tool import REPOSITORY, WrongInput
from hw.targets.process import Corner, Process
from tests.hw.flow_steps import quiet_display


def decoder(**more) -> Decoder:
    return Decoder(name="x", citation="y", task="z", basis="silicon", covers="all", read="abstract", **more)


# ---- scaling


def test_the_authors_corrected_example():
    """65 nm at 1.3 V to 32 nm at 0.9 V: 1 pJ becomes 0.1755 pJ (corrigendum to section 4.2.1)."""
    there, here = energy_factor(65, 1.3), energy_factor(32, 0.9, "high performance")
    assert (there, here) == pytest.approx((2.604, 0.4571), abs=5e-4)
    assert here / there == pytest.approx(0.1755, abs=1e-4)  # its digits are cut off, not rounded


def test_65_nm_at_1_volt_by_hand():
    found = to_reference(65, 1.0)
    expected = (7.171 * 1.44 - 6.709 * 1.2 + 2.904) / (3.755 - 4.398 + 1.975)
    assert found is not None and (found.low, found.high) == pytest.approx((expected, expected))
    assert expected == pytest.approx(3.888, abs=1e-3)


def test_the_reference_is_itself():
    found = to_reference(130, 1.2)
    assert found is not None and (found.low, found.high) == (1, 1)


def test_what_is_unknown_widens_the_range():
    known, unknown = to_reference(65, 1.2), to_reference(65, None)
    assert known is not None and unknown is not None
    assert unknown.low == known.low and unknown.high > known.high
    between, above, below = to_reference(28, 0.9), to_reference(32, 0.9), to_reference(20, 0.9)
    assert between is not None and above is not None and below is not None
    assert (between.low, between.high) == (above.low, below.high)
    assert set(ASSUMED_V) == set(ENERGY)


@pytest.mark.parametrize(("node", "volt"), [(None, 1.0), (350, None), (180, 0.6), (65, 0.5), (7, 0.7)])
def test_beyond_the_fits_nothing_is_said(node, volt):
    assert to_reference(node, volt) is None


# ---- published data


def test_the_published_data_are_read_and_scaled():
    found = {each.name: each for each in read_published()}
    tree = found["NeuralTree"]
    assert (tree.node_nm, tree.channels, tree.energy_nj, tree.basis) == (65, 256, 227, "silicon")
    assert tree.factor is not None and 2 < tree.factor.low < tree.factor.high < 4
    heating = {row[0].split(" (")[0]: row[8] for row in published_table(found.values(), {}, IHP).rows}
    assert heating["BrainDistill, integers"] == "0.16, good" and heating["NeuralTree"] == ""
    assert found["96-channel spike processor"].factor is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[decoder]]\nname = "a"\nbasis = "guess"', "published.toml: a: .* missing 4 required positional arguments.*"),
        ("[[decoder]", "published.toml: not a readable list of decoders .*"),
        ('[[decoder]]\nname = "a"\nwatt = 3', "published.toml: a has an unknown key watt"),
    ],
)
def test_a_damaged_data_file_is_one_line(tmp_path, text, message):
    path = tmp_path / "published.toml"
    path.write_text(text)
    with pytest.raises(PublishedError, match=f"^{message}$"):
        read_published(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"energy_nj": 0}, "x: energy_nj=0 is no positive number; leave it out where it is unknown"),
        ({"volt": "1.2"}, "x: volt='1.2' is no positive number; leave it out where it is unknown"),
    ],
)
def test_a_number_that_is_none_is_refused(values, message):
    with pytest.raises(PublishedError) as error:
        decoder(**values)
    assert str(error.value) == message


def test_a_decoder_is_given_once(tmp_path):
    entry = '[[decoder]]\nname="a"\ncitation="b"\ntask="c"\nbasis="silicon"\ncovers="d"\nread="e"\n'
    path = tmp_path / "published.toml"
    path.write_text(entry)
    assert len(read_published(path)) == 1
    path.write_text(2 * entry)
    with pytest.raises(PublishedError, match=r"^published.toml: a comes twice$"):
        read_published(path)


# ---- bounds, tables, document


PROCESS = Process("none", 180, {"typ": Corner("typ", 1.8, 25, Path())}, (), None, None, None, (), "", (), note="it stands in")


def metric(name: str, value: float) -> Metric:
    return Metric(name, value, "uW", "lower", "test")


def test_a_bound_is_met_up_to_its_limit():
    bounds = (Bound("a", "p", 40, "uW"), Bound("b", "p", 40, "uW"), Bound("c", "p", 40, "uW"), Bound("a", "q", 1, "uW"))
    verdicts = judge({"a": [metric("p", 40)], "b": [metric("p", 40.1)]}, bounds)
    assert [verdict.word for verdict in verdicts] == ["met", "missed", "not measured", "no such metric"]
    assert [verdict.is_bad for verdict in verdicts] == [False, True, False, True]
    least = (Bound("a", "p", 40, "uW", least=True), Bound("b", "p", 40, "uW", least=True))
    assert [verdict.word for verdict in judge({"a": [metric("p", 40)], "b": [metric("p", 39.9)]}, least)] == ["met", "missed"]


def test_heating_beyond_the_budget_is_told_of_ours_as_of_theirs():
    found = {Row("ind_tiny"): [metric("power__total_uw", 50_000)]}
    theirs_too = Decoder("x", "y", "z", "silicon", "all", "whole", power_uw=50_000)
    [ours, theirs] = published_table([theirs_too], found, IHP).rows
    assert ours[8] == theirs[8] == "1.5, too warm"
    [ours] = published_table([], FOUND, IHP).rows
    assert ours[8].endswith(", good")


def test_the_power_at_37_degc_is_the_headline_with_other_leakage():
    parts = {"total": 10, "leakage": 4, "leakage_37c": 5, "leakage_37c_doubling": 9}
    [row] = designs_table({Row("ind_tiny"): [metric(f"power__{part}_uw", value) for part, value in parts.items()]}).rows
    assert row[2] == "11 to 15"


IHP = replace(PROCESS, name="ihp_sg13g2", node_nm=130, corners={"typ": Corner("typ", 1.2, 25, Path())})
FOUND = {
    Row("ind_tiny"): [metric("power__total_uw", 5.0), metric("area__total_um2", 6e5), metric("registers", 1000)],
    Row("ind_tiny", ("--backend", "finn")): [metric("power__total_uw", 8.0), metric("area__total_um2", 9e5)],
}


def test_a_reference_is_told_as_times_its_design():
    [row] = references_table(FOUND).rows
    assert row == ("`ind_tiny --backend finn`", "x 1.60", "unknown", "unknown", "x 1.50", "unknown", "unknown")


def test_what_was_not_measured_is_unknown_and_not_zero():
    first, second = designs_table(FOUND).rows
    assert first[0] == "`ind_tiny`" and first[1] == "unknown / unknown / 5" and first[5] == "0.6" and first[8] == "unknown"
    assert second[0] == "`ind_tiny --backend finn`"
    [row] = floats_table({Row("ind_tiny"): [metric("float_mac_pj", 80), metric("integer_mac_pj", 2)]}).rows
    assert row[3] == "x 40.00" and row[-1] == "x 4.04"


def test_others_stand_beside_ours_scaled_with_their_range():
    table = published_table([decoder(node_nm=65, energy_nj=100, power_uw=50000), decoder(power_uw=10)], FOUND, IHP)
    ours, first, second = table.rows
    assert ours[0] == "**`ind_tiny`**" and ours[4] == ours[6] == "800"  # 5 uW at 6.25 decisions per second
    assert first[2] == "65 nm, unknown" and first[6] == "250 to 390" and first[8] == "1.5, too warm"
    assert second[2] == second[4] == "unknown" and second[6] == "unknown" and second[7] == "not scaled"


def test_tables_go_between_their_markers_and_the_rest_stays(tmp_path):
    path = tmp_path / "comparison.md"
    end = "<!-- compare: end -->"
    path.write_text(f"a\n<!-- compare: one -->\nold\n{end}\nb\n<!-- compare: two -->\n{end}\nc\n")
    write_tables(path, {"one": "| 1 |", "two": r"| \1 |"})
    once = path.read_text()
    assert once == f"a\n<!-- compare: one -->\n\n| 1 |\n\n{end}\nb\n<!-- compare: two -->\n\n| \\1 |\n\n{end}\nc\n"
    write_tables(path, {"one": "| 1 |", "two": r"| \1 |"})
    assert path.read_text() == once
    with pytest.raises(DocumentError, match=r"^comparison.md: does not have one pair of markers <!-- compare: three -->"):
        write_tables(path, {"three": ""})
    assert path.read_text() == once


def test_the_document_has_every_marker():
    text = (REPOSITORY / "docs/comparison.md").read_text()
    with_tables(text, dict.fromkeys(("bounds", "designs", "floor", "references", "floats", "published"), ""), "comparison.md")


# ---- rows and the command


def test_rows_are_chosen_by_design_and_left_out_aloud():
    rows, left_out = chosen_rows([], None)
    assert {row.design for row in rows} >= {"ind_tiny", "ind_int4", "ind_int8", "spikes_int4"}
    assert "eeg_int4: needs a recording; give it with --eeg-recording" in left_out
    rows, _ = chosen_rows(["eeg_int4"], Path("S001.npz"))
    assert [row.name for row in rows] == ["eeg_int4"]
    assert len({row.name for row in ROWS}) == len(ROWS)
    with pytest.raises(DesignError, match="design 'ind_inti' is unknown"):
        chosen_rows(["ind_inti"], None)


def test_a_design_without_a_row_is_refused(monkeypatch):
    monkeypatch.setattr("hw.compare.rows.ROWS", (Row("ind_int4"),))
    with pytest.raises(WrongInput, match=r"^--designs ind_tiny: is in no row; the rows are of ind_int4$"):
        chosen_rows(["ind_tiny"], None)


def test_floats_are_the_metrics_of_their_own_step(monkeypatch, tmp_path):
    """Whatever its metrics are called and in whatever order they come."""

    def ended(step: str) -> tuple[Metric, ...]:
        return tuple(metric(f"{what}__{step}", 1.0) for what in ("wall_s", "cpu_s", "peak_memory_mib"))

    own = (metric("integer_mac_pj", 2.0), metric("float_mac_pj", 80.0), *ended("float_reference"))
    made = Made({}, (metric("power__total_uw", 5.0), *ended("power"), *own), ())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hw.compare.rows.run_flow", lambda *given, **named: made)
    assert measure_floats(Row("ind_tiny"), quiet_display()) == own


def invoke(monkeypatch, tmp_path, answers, *arguments: str, process: Process = IHP):
    """The command with builds that answer at once."""
    import typer

    document = tmp_path / "comparison.md"
    document.write_text((REPOSITORY / "docs/comparison.md").read_text())
    monkeypatch.setattr(command, "DOCUMENT", document)
    monkeypatch.setattr(command, "find_process", lambda name: process)
    monkeypatch.setattr(command, "REPOSITORY", tmp_path)
    monkeypatch.setattr(command, "build", lambda row, recording: answers(row))
    monkeypatch.setattr(command, "measure_floats", lambda row, display: (metric("float_mac_pj", 80.0),))
    app = typer.Typer(add_completion=False)
    app.command()(command.main)
    return CliRunner().invoke(app, list(arguments)), document.read_text()


def test_bounds_that_are_met_end_with_0_and_missed_ones_with_1(monkeypatch, tmp_path):
    values = {"power__total_uw": 39, "area__total_um2": 1e6, "latency_ms": 4, "floor__ratio": 3, "exact__mismatches": 0}
    values |= {"timing__slack_slow_ns": 5, "accuracy__integer": 0.95}
    good = [metric(name, value) for name, value in values.items()]
    done, _ = invoke(monkeypatch, tmp_path, lambda row: (0, tuple(good)), "--designs", "ind_int4", "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert set(answer["rows"]) == {"ind_int4", "ind_int4 --backend amaranth", "ind_int4 --backend finn"}
    assert {each["verdict"] for each in answer["bounds"]} == {"met", "not measured"}
    everything = ("--write", "--eeg-recording", "S001.npz")
    done, text = invoke(monkeypatch, tmp_path, lambda row: (0, tuple(good)), *everything)
    assert done.exit_code == 1  # ind_stream_int4 takes more than 20 uW
    assert "| `ind_int4` | power__total_uw | 40 uW | 39 uW | met |" in text and "20 uW | 39 uW | missed" in text
    before = (REPOSITORY / "docs/comparison.md").read_text()
    done, text = invoke(monkeypatch, tmp_path, lambda row: (int(row.design == "ind_int8"), tuple(good)), *everything)
    assert done.exit_code == 1 and text == before and "not written, for a build failed" in done.output
    for arguments in (("--quick",), ("--designs", "ind_int4"), ()):
        done, text = invoke(monkeypatch, tmp_path, lambda row: (0, tuple(good)), "--write", *arguments)
        assert done.exit_code == 2 and text == before and "--write: the document holds every row" in done.output
    done, _ = invoke(monkeypatch, tmp_path, lambda row: (0, (metric("power__total_uw", 41.0),)), "--designs", "ind_int4")
    assert done.exit_code == 1


def test_a_build_that_fails_is_1_and_one_used_wrongly_2(monkeypatch, tmp_path):
    done, _ = invoke(monkeypatch, tmp_path, lambda row: (1, ()), "--quick")
    assert done.exit_code == 1
    done, _ = invoke(monkeypatch, tmp_path, lambda row: (2, ()), "--quick")
    assert done.exit_code == 2
    done, _ = invoke(monkeypatch, tmp_path, lambda row: (0, ()), "--designs", "nothing")
    assert done.exit_code == 2


def test_the_document_is_not_written_for_a_process_that_stands_in(monkeypatch, tmp_path):
    before = (REPOSITORY / "docs/comparison.md").read_text()
    done, text = invoke(monkeypatch, tmp_path, lambda row: (0, ()), "--write", "--eeg-recording", "S001.npz", process=PROCESS)
    assert done.exit_code == 2 and text == before
    assert "--write: it stands in; the document is of ihp_sg13g2: leave out --write, or install its PDK" in done.output
    done, _ = invoke(monkeypatch, tmp_path, lambda row: (0, FOUND[Row("ind_tiny")]), "--quick", process=PROCESS)
    assert done.exit_code == 0 and "180 nm, 1.80 V" in done.output


def test_the_document_stays_without_write(monkeypatch, tmp_path):
    before = (REPOSITORY / "docs/comparison.md").read_text()
    _, text = invoke(monkeypatch, tmp_path, lambda row: (0, (metric("power__total_uw", 1.0),)), "--quick")
    assert text == before
