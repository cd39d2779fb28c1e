"""Accuracies of a small made benchmark joined with measured energies: which numbers stand beside which, and bad input."""

from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from designs.width_energy import read_width_energies
from models.benchmark_table import Row, comma_separated
from quant.comparison.measured import Cell, TableError, read_means, table_lines
from quant.comparison.table import DOCUMENT, MARK, command, markdown, write_document

OWN, FINEST = "ind_q:own:per_tensor:power_of_two:w4a4", "ind_q:lsq:per_channel:free:w4a4"
PLAIN = "ind_q:min_max:per_tensor:free:w2a4"


def row(recording: str, model: str, mean: float, protocol: str = "given") -> Row:
    return Row(recording, protocol, model, "accuracy", mean, 0.01, 3, 2, 100, 5000, 90000, 1.5)


def benchmark(folder: Path, rows: list[Row] | None = None) -> Path:
    made = rows or [
        row("a", FINEST, 0.7),
        row("a", "eegnet", 0.9),
        row("a", "ind", 0.75),
        row("a", OWN, 0.5),
        row("b", OWN, 0.6),
        row("b", FINEST, 0.9),
        row("b", "ind", 0.85),
        row("b", PLAIN, 0.25),
    ]
    path = folder / "benchmark.csv"
    path.write_text(comma_separated(made), encoding="utf-8")
    return path


def run(*arguments: str):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(arguments))


def test_a_row_has_its_means_and_the_energy_of_its_widths_and_scales(tmp_path):
    energies = read_width_energies()
    float_ind, plain, own, finest = table_lines(read_means([benchmark(tmp_path)]), energies)
    assert (float_ind.method, float_ind.mean, float_ind.floor_nj) == ("float", pytest.approx(0.8), None)
    four, two = energies.of(4, 4), energies.of(2, 4)
    assert (own.method, own.shared, own.scale, own.widths) == ("own", "per_tensor", "power_of_two", "w4a4")
    assert own.mean == pytest.approx(0.55) and own.cells == {"a, accuracy": Cell(0.5, 0.01), "b, accuracy": Cell(0.6, 0.01)}
    assert (own.floor_nj, own.built_nj) == (four.floor_nj, four.built_nj)
    assert (finest.shared, finest.scale, finest.mean) == ("per_channel", "free", pytest.approx(0.8))
    assert (finest.floor_nj, finest.built_nj) == (four.floor_nj + four.requantize_per_channel_nj, None)
    assert plain.mean is None and plain.floor_nj == two.floor_nj + two.requantize_per_tensor_nj


def test_a_recording_under_two_protocols_is_two_columns(tmp_path):
    found = read_means([benchmark(tmp_path, [row("a", OWN, 0.5), row("a", OWN, 0.4, "few-shot:5"), row("b", OWN, 0.6)])])
    means = {column: cell.mean for column, cell in found[OWN].items()}
    assert means == {"a given, accuracy": 0.5, "a few-shot:5, accuracy": 0.4, "b, accuracy": 0.6}


def test_what_fell_apart_does_not_rule_the_mean_and_one_seed_has_no_spread(tmp_path):
    apart = replace(row("b", OWN, -7.0), measure="r2", seeds=1)
    (line,) = table_lines(read_means([benchmark(tmp_path, [row("a", OWN, 0.5), apart])]), read_width_energies())
    assert line.mean == pytest.approx((0.5 - 1.0) / 2) and line.cells["b, r2"] == Cell(-7.0, None)
    shown = markdown([line], ["a, accuracy", "b, r2"])
    assert "| 0.500 ± 0.010 | -7.000 | -0.250 |" in shown


def test_the_command_writes_below_the_mark_and_keeps_what_stands_above(tmp_path):
    document = tmp_path / "quantizers.md"
    document.write_text(f"# Ours\n\nWords.\n\n{MARK}\n\nold numbers\n", encoding="utf-8")
    found = run("--benchmark", str(benchmark(tmp_path)), "--document", str(document), "--write")
    assert found.exit_code == 0, found.output
    above, _, below = document.read_text(encoding="utf-8").partition(MARK)
    assert above == "# Ours\n\nWords.\n\n" and "old numbers" not in below
    assert "| own | per_tensor | power_of_two | w4a4 | 0.500 ± 0.010 | 0.600 ± 0.010 | 0.550 | 303 | 3,660 |" in below
    assert "| lsq | per_channel | free | w4a4 | 0.700 ± 0.010 | 0.900 ± 0.010 | 0.800 | 467 |  |" in below
    assert "| min_max | per_tensor | free | w2a4 |  | 0.250 ± 0.010 |  | 225 |  |" in below
    assert "| float |  |  |  | 0.750 ± 0.010 | 0.850 ± 0.010 | 0.800 |  |  |" in below and "eegnet" not in below
    assert "energy of a decoder of ind_int4's size" in below and "(quantizers_energy.svg)" in below
    picture = (tmp_path / "quantizers_energy.svg").read_text(encoding="utf-8")
    assert "<svg" in picture
    assert run("--benchmark", str(benchmark(tmp_path)), "--document", str(document), "--write").exit_code == 0
    assert (tmp_path / "quantizers_energy.svg").read_text(encoding="utf-8") == picture
    assert sorted(path.name for path in tmp_path.iterdir()) == ["benchmark.csv", "quantizers.md", "quantizers_energy.svg"]


def test_several_benchmarks_are_one_table(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = benchmark(tmp_path / "one", [row("a", OWN, 0.5), row("a", "ind", 0.6)])
    second = benchmark(tmp_path / "two", [row("b", OWN, 0.7), row("b", "ind", 0.8)])
    found = run("--benchmark", str(first), "--benchmark", str(second))
    assert "| own | per_tensor | power_of_two | w4a4 | 0.500 ± 0.010 | 0.700 ± 0.010 | 0.600 |" in found.output
    assert "has no row ind_q" in run("--benchmark", str(benchmark(tmp_path, [row("a", "ind", 0.6)]))).stderr


def test_without_write_the_section_is_printed(tmp_path):
    found = run("--benchmark", str(benchmark(tmp_path)))
    assert found.exit_code == 0 and "## Accuracy and energy" in found.output
    assert Path("docs/quantizers.md") == DOCUMENT


def test_a_new_document_begins_with_its_title(tmp_path):
    write_document("numbers\n", tmp_path / "new.md")
    assert (tmp_path / "new.md").read_text(encoding="utf-8") == f"# Quantizers\n\n{MARK}\n\nnumbers\n"


def test_bad_input_is_one_line_and_exit_code_2(tmp_path):
    def refused(text: str, message: str) -> None:
        path = tmp_path / "bad.csv"
        path.write_text(text, encoding="utf-8")
        found = run("--benchmark", str(path))
        said = (found.output + found.stderr).strip()
        assert found.exit_code == 2 and message in said, said
        assert said.startswith("quant.comparison.table: ")

    refused("recording,model\na,ind\n", "is no benchmark.csv of models.benchmark ('protocol'); it needs columns recording, ")
    head = "recording,protocol,model,measure,mean,spread,seeds\n"
    refused(f"{head}a,given,{OWN},accuracy,high,0,1\n", "could not convert string to float: 'high'")
    refused(f"{head}a,given,eegnet,accuracy,0.5,0,1\n", "has no row ind_q:...; run models.benchmark with --models ind,ind_q")
    refused(f"{head}a,given,ind_q:own,accuracy,0.5,0,1\n", "model 'ind_q:own' is no quantizer")
    with pytest.raises(TableError, match=r"absent\.csv: is no benchmark\.csv of models\.benchmark \(.*No such file"):
        read_means([tmp_path / "absent.csv"])
