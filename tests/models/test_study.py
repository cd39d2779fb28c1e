"""The study of distillation: its plan, its statistics, its files, and a whole one of a minute."""

import dataclasses
import math

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from models.study.__main__ import command
from models.study.document import MARK, write_document
from models.study.plan import CONFIG, GENERATED, StudyError, groups, read_plan
from models.study.results import Result, key_of, read_result, write_result
from models.study.statistics import complete, differences, gain, holm, mean_of, rank_correlation
from models.study.variant import EXPERIMENTS, Variant

PLAN = """
[recordings]
"made" = { place = "generated:ind_tiny", shots = [5] }

[experiments]
"""


def result(value: float, *, variant: str = "ind none", source: str = "a", seed: int = 0, shots: int = 5, **more) -> Result:
    every = {"accuracy": value} | more
    return Result("row", source, shots, seed, variant, "accuracy", value, every, 10, 40, 100, 1000, 1.0)


def plan_of(tmp_path, experiments: str):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN + experiments, encoding="utf-8")
    return read_plan(path)


def test_the_mean_is_over_folds_and_the_spread_over_seeds():
    found = mean_of([result(0.5, source=s, seed=n) for s in "ab" for n in (0, 1)] + [result(0.8, source="c", seed=0)])
    assert found.folds == 3 and found.seeds == 2
    assert found.mean == pytest.approx((0.6 + 0.5) / 2) and found.spread == pytest.approx(np.std([0.6, 0.5], ddof=1))
    assert math.isnan(mean_of([result(0.5)]).spread)


def test_differences_pair_folds_and_seeds_and_leave_out_what_one_side_lacks():
    ours = [result(0.7, source="a"), result(0.9, source="a", seed=1), result(0.6, source="b"), result(0.9, source="c")]
    theirs = [
        result(0.6, source="a"),
        result(0.6, source="a", seed=1),
        result(0.7, source="b"),
        result(0.1, source="b", seed=1),
    ]
    assert differences(ours, theirs) == pytest.approx([-0.1, 0.2])
    assert differences(ours, []) == [] and gain(ours, []) is None


def test_a_gain_that_every_fold_shows_is_significant_and_none_is_not():
    plain = [result(0.5 + place / 100, source=str(place)) for place in range(12)]
    better = [result(one.value + 0.05 + place / 1000, source=one.source) for place, one in enumerate(plain)]
    found = gain(better, plain)
    assert found is not None and found.p < 0.001 and 0.05 < found.low < found.mean < found.high < 0.0611
    same = gain(plain, plain)
    assert same is not None and same.mean == 0 and same.p == 1
    swung = [result(one.value + 0.05 * (-1) ** place, source=one.source) for place, one in enumerate(plain)]
    tossed = gain(swung, plain)
    assert tossed is not None and tossed.p > 0.5 and tossed.low < 0 < tossed.high


def test_an_unfinished_study_compares_what_every_variant_has():
    found = [result(0.5), result(0.6, variant="ind kd"), result(0.9, source="b"), result(0.7, seed=1)]
    assert complete(found) == found[:2] and complete([]) == []


def test_holm_adjusts_in_the_order_of_p_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []


def test_ranks_are_taken_within_folds():
    fold = [("r", "a", 5), ("r", "b", 5)]
    points = [(fold[0], x, 10 + x) for x in (0.1, 0.5, 0.9)] + [(fold[1], x, x - 10) for x in (0.2, 0.3, 0.8)]
    found = rank_correlation(points)
    assert found is not None and found.mean == pytest.approx(1) and found.folds == 2
    mixed = rank_correlation([*points[:3], *((fold[1], x, -y) for _, x, y in points[3:])])
    assert mixed is not None and mixed.mean == pytest.approx(0)
    assert rank_correlation([(fold[0], 1.0, y) for y in (0.1, 0.2, 0.3)]) is None


def test_variants_have_names_of_their_own():
    every = {variant for experiment in EXPERIMENTS.values() for variant in experiment()}
    assert len({str(variant) for variant in every}) == len(every)


def test_the_repository_plans_are_read_and_ask_for_every_experiment():
    for name in ("study.toml", "quick.toml"):
        plan = read_plan(CONFIG.with_name(name))
        assert {part.name for part in plan.parts} == set(EXPERIMENTS)
    assert all(row.place.startswith(GENERATED) for row in read_plan(CONFIG.with_name("quick.toml")).rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("methods = { seeds = 1 }\nguesses = {}", "experiment 'guesses' is unknown; use methods, parts"),
        ('methods = { recordings = ["other"] }', "recording 'other' is not listed; list it, or use made"),
        ("methods = [", "not the plan of a study"),
    ],
)
def test_a_wrong_plan_is_one_line(tmp_path, text, message):
    with pytest.raises(StudyError) as caught:
        plan_of(tmp_path, text)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_recordings_that_are_not_given_are_one_line_and_exit_code_2(tmp_path, monkeypatch):
    monkeypatch.delenv("RECORDINGS", raising=False)
    runner = CliRunner()
    found = runner.invoke(_app(), ["--out", str(tmp_path / "out")])
    assert found.exit_code == 2 and "give it with --recordings or RECORDINGS" in found.output + found.stderr
    assert not (tmp_path / "out").exists()


def test_too_many_shots_are_one_line(tmp_path):
    plan = plan_of(tmp_path, "methods = { seeds = 1 }")
    many = dataclasses.replace(plan, rows=(dataclasses.replace(plan.rows[0], shots=(500,)),))
    with pytest.raises(ValueError, match="too few cues for 500 of each class"):
        groups(many, None)


def test_a_group_asks_for_each_variant_once_and_keys_tell_all_apart(tmp_path):
    plan = plan_of(tmp_path, "methods = { seeds = 2 }\nparts = { seeds = 1 }")
    found = groups(plan, None)
    assert [group.seed for group in found] == [0, 1]
    assert all(len(set(variants)) == len(variants) for group in found for variants in group.wanted)
    assert Variant(student="eegnet") in found[0].wanted[0] and Variant(student="eegnet") not in found[1].wanted[0]
    pairs = zip(found[0].folds, found[0].wanted, strict=True)
    keys = [key_of(fold, variant, seed) for fold, variants in pairs for variant in variants for seed in (0, 1)]
    assert len(set(keys)) == len(keys)


def test_results_are_kept_whole_and_damaged_ones_are_computed_again(tmp_path):
    write_result(tmp_path, "key", result(0.7))
    assert read_result(tmp_path, "key") == result(0.7) and read_result(tmp_path, "other") is None
    path = tmp_path / "results" / "key.json"
    path.write_text(path.read_text(encoding="utf-8")[:40], encoding="utf-8")
    assert read_result(tmp_path, "key") is None


def test_the_document_keeps_what_people_wrote_and_says_what_is_missing(tmp_path):
    path = tmp_path / "distillation.md"
    path.write_text(f"# Words\n\n{MARK}\nold numbers\n", encoding="utf-8")
    plan = dataclasses.replace(read_plan(CONFIG), parts=read_plan(CONFIG).parts[:1])
    row = plan.rows[0].name
    values = {"ind none": 0.6, "ind kd": 0.62, "ind tskd": 0.65, "teacher": 0.7}
    found = [
        dataclasses.replace(result(value + place / 100, variant=name, source=str(place), seed=seed), row=row)
        for name, value in values.items()
        for place in range(6)
        for seed in range(2)
    ]
    files = write_document(found, 100, plan, path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Words\n") and "old numbers" not in text and f"{len(found)} of 100 results" in text
    assert "| ind tskd | 0.675 ± 0.000 |" in text and "| 5 | +5.0 (+5.0 to +5.0) | ind kd | +3.0" in text
    assert all(file.stat().st_size > 0 for file in files) and len(files) == 2


@pytest.mark.train
def test_a_whole_study_is_resumed_where_it_stopped(tmp_path):
    config = tmp_path / "plan.toml"
    config.write_text(PLAN + "integers = { seeds = 1 }\n", encoding="utf-8")
    runner, arguments = CliRunner(), ["--config", str(config), "--out", str(tmp_path / "out"), "--jobs", "1"]
    first = runner.invoke(_app(), arguments)
    assert first.exit_code == 0, first.output
    kept = sorted((tmp_path / "out" / "results").glob("*.json"))
    ages = [path.stat().st_mtime_ns for path in kept[1:]]
    kept[0].unlink()
    again = runner.invoke(_app(), arguments)
    assert again.exit_code == 0 and sorted((tmp_path / "out" / "results").glob("*.json")) == kept
    assert [path.stat().st_mtime_ns for path in kept[1:]] == ages
    assert "w4a4" in (tmp_path / "out" / "distillation.md").read_text(encoding="utf-8")


def _app() -> typer.Typer:
    app = typer.Typer()
    app.command()(command)
    return app
