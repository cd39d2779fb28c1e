"""The study of distillation: its plan, its statistics, its files, and a whole one of a minute."""

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from models.distillation.calibration_task import CALIBRATION, OFFLINE
from models.distillation.registry import METHODS
from models.distillation.students import STUDENTS
from models.distillation.teaching import Teaching
from models.distillation.tsr import tsr_of
from models.fit import predict
from models.recording import RecordingError
from models.study.__main__ import command, kept, keys
from models.study.classroom import classroom, trained
from models.study.comparing import agreement, complete, estimate, gain, holm, mean_of, rank_correlation, slope
from models.study.document import MARK, write_document
from models.study.experiments import EXPERIMENTS
from models.study.plan import CONFIG, GENERATED, StudyError, groups, read_plan
from models.study.projections import named_projection
from models.study.results import Result, key_of, read_result, write_result
from models.study.variant import FINE_TUNED, OFFLINE_ONLY, POOLED, Variant
from models.study.work import work
from models.teachers.training import train_teacher

PLAN = """
[recordings]
"made" = { place = "generated:ind_tiny", shots = [5] }

[experiments]
"""


def result(value: float, *, variant: str = "ind none", subject: str = "a", seed: int = 0, shots: int = 5, windows: int = 40):
    return Result(
        *("row", subject, f"{subject}, fold", shots, seed, variant, "accuracy", value, {"accuracy": value}),
        *(10, windows, 100, 1000, 1.0),
    )


def plan_of(tmp_path, experiments: str):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN + experiments, encoding="utf-8")
    return read_plan(path)


def test_the_mean_is_over_subjects_and_the_spread_over_seeds():
    found = mean_of([result(0.5 + n / 10, subject=s, seed=n) for s in "ab" for n in (0, 1)])
    assert found.subjects == 2 and found.seeds == 2
    assert found.mean == pytest.approx(0.55) and found.spread == pytest.approx(np.std([0.5, 0.6], ddof=1))
    assert math.isnan(mean_of([result(0.5)]).spread)


def test_folds_count_by_their_windows_and_shots_alike():
    one, other = result(0.5, windows=10), dataclasses.replace(result(0.8, windows=30), source="a, other fold")
    assert mean_of([one, other]).mean == pytest.approx(0.725)
    assert mean_of([one, other, result(0.1, shots=10, windows=500)]).mean == pytest.approx((0.725 + 0.1) / 2)


def test_gains_pair_folds_and_seeds_and_leave_out_what_one_side_lacks():
    ours = [result(0.7), result(0.9, seed=1), result(0.6, subject="b"), result(0.9, subject="c")]
    theirs = [result(0.6), result(0.6, seed=1), result(0.7, subject="b"), result(0.1, subject="b", seed=1)]
    found = gain(ours, theirs)
    assert found is not None and found.subjects == 2 and found.mean == pytest.approx((0.2 - 0.1) / 2)
    assert math.isnan(found.p) and math.isnan(found.low), "two subjects tell no interval"
    assert gain(ours, []) is None and estimate([]) is None


def test_a_subject_counts_once_however_many_shots_and_seeds_it_has():
    ours = [result(0.7, shots=n, seed=seed) for n in (5, 10, 20) for seed in range(5)]
    found = gain(ours, [dataclasses.replace(one, value=0.5) for one in ours])
    assert found is not None and found.subjects == 1 and math.isnan(found.p)


def test_the_interval_is_students_and_the_least_p_is_that_of_agreement():
    values = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]
    found = estimate(values)
    assert found is not None and found.mean == pytest.approx(0.035)
    half = 2.5706 * np.std(values, ddof=1) / math.sqrt(6)  # t of 5 degrees of freedom at 97.5 %
    assert found.low == pytest.approx(0.035 - half, abs=1e-5) and found.high == pytest.approx(0.035 + half, abs=1e-5)
    assert found.p == pytest.approx(found.least_p) == pytest.approx(2 / 2**6)


def test_a_gain_that_every_subject_shows_is_significant_and_none_is_not():
    plain = [result(0.5 + place / 100, subject=str(place)) for place in range(12)]
    better = [dataclasses.replace(one, value=one.value + 0.05 + place / 1000) for place, one in enumerate(plain)]
    found = gain(better, plain)
    assert found is not None and found.p < 0.001 and 0.05 < found.low < found.mean < found.high < 0.0611
    same = gain(plain, plain)
    assert same is not None and same.mean == 0 and same.p == 1
    swung = [dataclasses.replace(one, value=one.value + 0.05 * (-1) ** place) for place, one in enumerate(plain)]
    tossed = gain(swung, plain)
    assert tossed is not None and tossed.p > 0.5 and tossed.low < 0 < tossed.high


def test_an_unfinished_study_compares_what_every_variant_has():
    found = [result(0.5), result(0.6, variant="ind kd"), result(0.9, subject="b"), result(0.7, seed=1)]
    assert complete(found) == found[:2] and complete([]) == []


def test_holm_adjusts_in_the_order_of_p_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []
    some = holm([math.nan, 0.01, 0.02])
    assert math.isnan(some[0]) and some[1:] == pytest.approx([0.02, 0.02])


def test_ranks_are_taken_within_a_place_and_group():
    points = [(result(0, subject="a"), "", x, 10 + x) for x in (0.1, 0.5, 0.9)]
    points += [(result(0, subject="b"), "", x, x - 10) for x in (0.2, 0.3, 0.8)]
    found = rank_correlation(points).found
    assert found is not None and found.mean == pytest.approx(1) and found.subjects == 2
    turned = rank_correlation([*points[:3], *((r, g, x, -y) for r, g, x, y in points[3:])]).found
    assert turned is not None and turned.mean == pytest.approx(0)
    grouped = [(result(0), rank, x, rank - x) for rank in (0, 10) for x in (1, 2, 3)]
    within, over = (rank_correlation(each).found for each in (grouped, [(r, "", 10 * g + x, y) for r, g, x, y in grouped]))
    assert within is not None and over is not None and within.mean == pytest.approx(-1) and over.mean > 0.4
    flat = [(result(0, seed=1), "", 1.0, y) for y in (0.1, 0.2, 0.3)]
    assert rank_correlation(flat).found is None
    two = [(result(0, seed=2), "", x, x) for x in (0.1, 0.2)]
    partly = rank_correlation([*points, *flat, *two])
    assert (partly.used, partly.places) == (2, 3)


def test_projections_that_do_not_decide_have_no_tsr_and_all_have_their_rank():
    draw = torch.Generator().manual_seed(3)
    embedding = torch.randn(300, 20, generator=draw) @ torch.randn(20, 20, generator=draw)
    teaching = Teaching(embedding, torch.randn(2, 20, generator=draw), torch.zeros(2))
    label = teaching.logits.argmax(dim=1)
    for name in ("pca:4", "lda:4", "random:4", "random:4:1", "least:4"):
        found = named_projection(name, teaching, label, 16, seed=0, regression=False)
        assert found.dim == 16 and torch.linalg.matrix_rank(found.matrix) == 4
        kept = tsr_of(found, teaching, regression=False)
        assert kept < 1e-6 if name == "least:4" else kept > 0.01
    one, other = (
        named_projection(name, teaching, label, 16, seed=0, regression=False).matrix for name in ("random:4:1", "random:4:2")
    )
    assert not torch.allclose(one, other)


@pytest.mark.parametrize("outputs", [1, 3])
def test_projections_of_a_regressor_keep_or_leave_what_it_decides_by(outputs):
    draw = torch.Generator().manual_seed(3)
    embedding = torch.randn(300, 20, generator=draw) @ torch.randn(20, 20, generator=draw)
    teaching = Teaching(embedding, torch.randn(outputs, 20, generator=draw), torch.zeros(outputs))
    target = teaching.logits + 0.1 * torch.randn(300, outputs, generator=draw)
    kept = {
        name: tsr_of(named_projection(name, teaching, target, 16, seed=0, regression=True), teaching, regression=True)
        for name in (f"lda:{outputs}", "lda:4", "pca:4", "random:4", "least:4")
    }
    assert kept["least:4"] < 1e-6 and kept[f"lda:{outputs}"] > 0.8 and kept["lda:4"] >= kept[f"lda:{outputs}"]
    assert kept["lda:4"] > max(kept["random:4"], kept["pca:4"]) > 0.01


@pytest.mark.train
def test_a_regressor_is_taught_by_projections_of_classes_and_of_nothing(tmp_path, monkeypatch):
    def shortly(task, name, seed, *, training):
        return train_teacher(task, name, seed, training=dataclasses.replace(training, pretrain_steps=2, steps=2))

    monkeypatch.setattr("models.study.classroom.train_teacher", shortly)
    plan = plan_of(tmp_path, "projections = { seeds = 1 }")
    counts = dataclasses.replace(plan, rows=(dataclasses.replace(plan.rows[0], place="generated:spikes_int4"),))
    group = groups(counts, None)[0]
    wanted = tuple(variant for variant in group.wanted[0] if variant.projection in ("lda:4", "least:4"))
    found = list(work(dataclasses.replace(group, folds=group.folds[:1], wanted=(wanted,)), tmp_path))
    assert len(found) == 2 and all(isinstance(each, Result) and "tsr" in each.every for each in found), found


def test_variants_have_names_of_their_own():
    every = {variant for experiment in EXPERIMENTS.values() for variant in experiment()}
    assert len({str(variant) for variant in every}) == len(every)


def test_the_repository_plans_are_read_and_ask_for_every_experiment():
    for name in ("study.toml", "quick.toml"):
        plan = read_plan(CONFIG.with_name(name))
        assert {part.name for part in plan.parts} == set(EXPERIMENTS) - {"weights"} and not plan.tuning
    searched = read_plan(CONFIG.with_name("weights.toml"))
    assert [part.name for part in searched.parts] == ["weights"] and searched.tuning
    assert all(row.place.startswith(GENERATED) for row in read_plan(CONFIG.with_name("quick.toml")).rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("methods = { seeds = 1 }\nguesses = {}", "experiment 'guesses' is unknown; use methods, felt, parts"),
        ('methods = { recordings = ["other"] }', "recording 'other' is not listed; list it, or use made"),
        ("methods = [", "not the plan of a study"),
        ("methods = { seed = 1 }", "experiment methods: 'seed' is unknown; use most, seeds, recordings"),
        ('methods = { seeds = "two" }', "experiment methods: seeds must be a number from 1 on, not 'two'"),
        ("methods = { most = 0 }", "experiment methods: most must be a number from 1 on, not 0"),
        ("weights = {}", "weights are chosen without test sessions; write tuning = true"),
    ],
)
def test_a_wrong_plan_is_one_line(tmp_path, text, message):
    with pytest.raises(StudyError) as caught:
        plan_of(tmp_path, text)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("shots", ['"5"', "[]", "[0]", "[5, true]"])
def test_shots_are_a_list_of_numbers(tmp_path, shots):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.replace("[5]", shots) + "methods = {}", encoding="utf-8")
    with pytest.raises(StudyError, match="recording made: shots must be a list of numbers from 1 on, such as"):
        read_plan(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("shots = [5]", "shots = [5], subject = 5", "recording made: subject must be a text such as S001, not 5"),
        ("\n[recordings]", 'tuning = "no"\n[recordings]', "tuning must be true or false, not 'no'"),
    ],
)
def test_what_is_of_another_type_is_one_line(tmp_path, old, new, message):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.replace(old, new) + "methods = {}", encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        read_plan(path)
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


def test_no_variant_is_asked_for_whose_student_does_not_fit(tmp_path):
    plan = plan_of(tmp_path, "parts = { seeds = 1 }")
    counts = dataclasses.replace(plan.rows[0], place="generated:spikes_int4")
    students = [
        {variant.student for group in groups(dataclasses.replace(plan, rows=(row,)), None) for variant in group.wanted[0]}
        for row in (plan.rows[0], counts)
    ]
    assert students[0] == set(STUDENTS) and "eegnet" not in students[1] and "ind" in students[1]


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
    values = {
        "ind none": 0.6,
        "ind kd": 0.62,
        "ind tskd": 0.65,
        "teacher": 0.7,
        "ind none pooled": 0.64,
        "ind tskd pooled": 0.66,
    }
    found = [
        dataclasses.replace(result(value + place / 100, variant=name, subject=str(place), seed=seed), row=row)
        for name, value in values.items()
        for place in range(8)
        for seed in range(2)
    ]
    files = write_document(found, 100, plan, path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Words\n") and "old numbers" not in text and f"{len(found)} of 100 results" in text
    assert "| ind tskd | 100 | 1,000 | 0.685 ± 0.000 |" in text and "accuracy; calibrated by 10 at 5 shots" in text
    assert all(
        f"| ind {name} (+{won:.1f} to +{won:.1f}), p 0.016, n 8 |" in text
        for name, won in (("tskd | +5.0", 5), ("kd | +2.0", 2))
    )
    assert "| ind tskd pooled over ind none pooled | +2.0 (" in text and "| ind tskd over ind none pooled | +1.0 (" in text
    assert "| the best of a column | ind kd: +3.0 (+3.0 to +3.0), p 0.008, n 8 |" in text
    assert text.count("| ind none pooled |") == 1, "what trains on more is no rival"
    assert all(file.stat().st_size > 0 for file in files) and len(files) == 2
    few = [one for one in found if int(one.subject) < 6]
    write_document(few, 100, plan, tmp_path / "few.md")
    few_text = (tmp_path / "few.md").read_text(encoding="utf-8")
    assert "| ind tskd | +5.0 (+5.0 to +5.0), n 6 |" in few_text, "of two methods none could have come below 0.05"


def test_a_document_is_not_written_over_by_fewer_results(tmp_path):
    plan, path = read_plan(CONFIG), tmp_path / "distillation.md"
    found = [dataclasses.replace(result(0.5, seed=seed), row=plan.rows[0].name) for seed in range(3)]
    write_document(found, 4, plan, path)
    before = path.read_text(encoding="utf-8")
    with pytest.raises(StudyError, match="tells of 3 results, here are 2 of 4; finish the study, without --report"):
        write_document(found[:2], 4, plan, path)
    for where in (path, tmp_path / "new.md"):
        with pytest.raises(StudyError, match="of the 4 results of the plan none is there for"):
            write_document([], 4, plan, where)
    assert path.read_text(encoding="utf-8") == before
    write_document([*found, found[0]], 4, plan, path)


def test_the_best_rival_is_the_one_that_gains_most(tmp_path):
    plan = dataclasses.replace(read_plan(CONFIG), parts=read_plan(CONFIG).parts[:1])
    values = {"ind none": 0.6, "ind fitnets": 0.61, "ind kd": 0.62, "ind vkd": 0.59, "ind tskd": 0.65}
    found = [dataclasses.replace(result(value, variant=name), row=plan.rows[0].name) for name, value in values.items()]
    write_document(found, len(found), plan, tmp_path / "distillation.md")
    assert "| the best of a column | ind kd: +3.0 | ind kd: +3.0 |" in (tmp_path / "distillation.md").read_text(
        encoding="utf-8"
    )


def test_stray_outputs_do_not_rule_gains_where_r2_is_measured(tmp_path):
    plan = dataclasses.replace(read_plan(CONFIG), parts=read_plan(CONFIG).parts[:1])
    found = []
    for row, measure in ((plan.rows[0].name, "accuracy"), (plan.rows[3].name, "r2")):
        for variant, values in (("ind none", (0.5, 0.6)), ("ind tskd", (0.52, 0.7))):
            value, other = values if measure == "accuracy" else (-1.0 if variant == "ind none" else 0.8, values[1])
            every = {measure: value} | ({"correlation": other} if measure == "r2" else {})
            one = result(value, variant=variant, subject=row)
            found.append(dataclasses.replace(one, row=row, measure=measure, every=every))
    write_document(found, len(found), plan, tmp_path / "distillation.md")
    text = (tmp_path / "distillation.md").read_text(encoding="utf-8")
    assert "p as it is: +6.0." in text and "| ind tskd over ind none | +6.0 | +91.0 | +2.0 |" in text
    assert f"**{plan.rows[3].name}**, r2;" in text and "| ind none | 100 | 1,000 | -1.000 |" in text
    write_document(found[:2], 2, plan, tmp_path / "other.md")
    assert "R2 where" not in (tmp_path / "other.md").read_text(encoding="utf-8")


def test_the_trend_is_the_slope_over_doublings_of_shots():
    plain = [result(0.5, shots=n, subject=s) for s in "ab" for n in (5, 10, 20)] + [result(0.5, subject="c")]
    falling = {5: 0.56, 10: 0.54, 20: 0.52}
    ours = [dataclasses.replace(one, value=falling[one.shots] + (one.subject == "b") * (one.shots - 5) / 1000) for one in plain]
    found = slope(ours, plain)
    of_b = np.polyfit([0, 1, 2], [0.06, 0.045, 0.035], 1)[0]
    assert found is not None and found.subjects == 2 and found.mean == pytest.approx((-0.02 + of_b) / 2)
    assert slope(ours[-1:], plain) is None


def test_agreement_between_seeds_is_a_rank_correlation_of_the_same_variants():
    def points(*orders):
        return [(result(0, variant=str(v), seed=s), "", 0.0, float(y)) for s, ys in enumerate(orders) for v, y in enumerate(ys)]

    assert agreement(points([1, 2, 3], [10, 20, 30])).mean == pytest.approx(1)
    assert agreement(points([1, 2, 3], [3, 2, 1], [3, 2, 1])).mean == pytest.approx((-1 - 1 + 1) / 3)
    assert agreement(points([1, 2, 3])) is None and agreement(points([1, 2, 3], [1, 1, 1])) is None


def test_a_place_is_a_text(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.replace('"generated:ind_tiny"', "5") + "methods = {}", encoding="utf-8")
    with pytest.raises(StudyError, match="recording made: place must be a text such as"):
        read_plan(path)


def test_an_experiment_takes_the_largest_shots_that_it_may_and_none_is_one_line(tmp_path):
    plan = plan_of(tmp_path, "methods = { most = 20 }")
    row = dataclasses.replace(plan.rows[0], shots=(5, 10, 40))
    assert plan.parts[0].shots(row) == (10,) and dataclasses.replace(plan.parts[0], most=None).shots(row) == (5, 10, 40)
    with pytest.raises(StudyError, match="experiment methods: made has no 20 shots or fewer; raise most"):
        plan.parts[0].shots(dataclasses.replace(row, shots=(40,)))


def test_a_row_may_be_renamed(tmp_path):
    found = groups(plan_of(tmp_path, "methods = { seeds = 1 }"), None)
    wanted = keys(found)
    write_result(tmp_path, next(iter(wanted)), result(0.7))
    write_result(tmp_path, next(iter(wanted)), dataclasses.replace(result(0.7), row="old", subject="nobody"))
    named = [(one.row, one.subject) for one in kept(wanted, tmp_path)]
    assert named == [("made", found[0].subject)]


def test_rows_of_one_person_are_one_subject():
    ours = [dataclasses.replace(result(0.7, subject="S001"), row=row) for row in ("rest", "fists")]
    theirs = [dataclasses.replace(one, value=0.5) for one in ours]
    found = gain(ours, theirs)
    assert found is not None and found.subjects == 1
    plan = read_plan(CONFIG)
    assert [row.name for row in plan.rows if row.subject == "S001"] == ["S001 fists", "S001 rest"]


def test_a_fold_that_cannot_be_had_is_left_out_with_its_reason(tmp_path, monkeypatch):
    group = groups(plan_of(tmp_path, "methods = { seeds = 1 }"), None)[0]

    def lacking(*_):
        raise RecordingError("made: no calibration window of class left; use another number of shots")

    monkeypatch.setattr("models.study.work.classroom", lacking)
    lines = list(work(group, tmp_path))
    assert lines == ["made: made: no calibration window of class left; use another number of shots"] * len(group.folds)


def test_a_quick_study_is_not_written_where_the_whole_one_stands(tmp_path):
    found = CliRunner().invoke(_app(), ["--quick", "--write", "--out", str(tmp_path)])
    assert found.exit_code == 2 and "leave --write out" in found.output + found.stderr


def test_a_quick_study_takes_no_other_plan(tmp_path):
    found = CliRunner().invoke(_app(), ["--quick", "--config", str(tmp_path / "a.toml"), "--out", str(tmp_path)])
    assert found.exit_code == 2 and "leave --quick or --config out" in found.output + found.stderr


def test_a_plan_that_is_not_there_or_lacks_a_section(tmp_path):
    with pytest.raises(StudyError, match=r"none\.toml: no such plan; copy study\.toml"):
        read_plan(tmp_path / "none.toml")
    (tmp_path / "a.toml").write_text(PLAN.replace("[experiments]", ""), encoding="utf-8")
    with pytest.raises(StudyError, match=r"a\.toml: has no section \[experiments\]; compare it with models/study/study\.toml"):
        read_plan(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_text("tunings = true\n" + PLAN + "methods = {}", encoding="utf-8")
    with pytest.raises(StudyError, match="'tunings' is unknown; use tuning, recordings, experiments"):
        read_plan(tmp_path / "a.toml")


def test_a_quick_study_has_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(_app(), ["--quick", "--report"])
    assert found.exit_code == 2 and "none is there for out/study_quick/distillation.md" in found.output + found.stderr


def test_who_is_fine_tuned_trains_on_the_offline_sessions_first(tmp_path, monkeypatch):
    group = groups(plan_of(tmp_path, "methods = { seeds = 1 }"), None)[0]
    room, calls = classroom(group.folds[0], 0, tmp_path), []

    def noted(pupil, method, lessons, *_args, begun=False, **_kw):
        calls.append((method, begun, lessons.windows))
        return METHODS["none"](pupil, lessons.shown, regression=False)

    monkeypatch.setattr("models.study.classroom.distil", noted)
    trained(room, Variant(trained_on=FINE_TUNED))
    trained(room, Variant())
    offline, calibration = room.task.student[OFFLINE], room.task.student[CALIBRATION]
    assert [(begun, windows) for _, begun, windows in calls] == [(False, offline), (True, calibration), (False, calibration)]
    trained(room, Variant(trained_on=POOLED))
    assert len(calls[-1][2]) == len(offline) + len(calibration) and calls[0][0] == "none"


def test_the_weight_of_a_variant_is_the_methods(tmp_path):
    group = groups(plan_of(tmp_path, "methods = { seeds = 1 }"), None)[0]
    room = classroom(group.folds[0], 0, tmp_path)
    _, none = trained(room, Variant(weight=0.3))
    assert none.weight == 0.3 and trained(room, Variant())[1].weight == METHODS["none"].weights[0]


def test_the_uncalibrated_student_learned_offline_alone_and_others_go_on_from_it(tmp_path):
    group = groups(plan_of(tmp_path, "methods = { seeds = 1 }"), None)[0]
    room = classroom(group.folds[0], 0, tmp_path)
    before = trained(room, Variant(trained_on=OFFLINE_ONLY))[0]
    after = trained(room, Variant(trained_on=FINE_TUNED))[0]
    again = trained(room, Variant(trained_on=OFFLINE_ONLY))[0]
    weights, tuned, kept = (pupil.readout.weight for pupil in (before, after, again))
    assert torch.equal(weights, kept) and not torch.equal(weights, tuned)
    room.task.student[CALIBRATION].tokens.zero_()
    room.begun.clear()
    assert torch.equal(trained(room, Variant(trained_on=OFFLINE_ONLY))[0].readout.weight, weights)


def test_a_student_that_diverges_is_left_out_with_its_reason(tmp_path, monkeypatch):
    group = groups(plan_of(tmp_path, "methods = { seeds = 1 }"), None)[0]
    group = dataclasses.replace(group, folds=group.folds[:1], wanted=((Variant(), Variant(weight=2.0)),))
    calls = iter([True, False])
    monkeypatch.setattr("models.study.work.predict", lambda *given: predict(*given) * (math.nan if next(calls) else 1.0))
    found = list(work(group, tmp_path))
    assert "its outputs are not finite, the training diverged" in found[0] and isinstance(found[1], Result)


@pytest.mark.train
def test_processes_side_by_side_give_what_one_gives(tmp_path):
    config = tmp_path / "plan.toml"
    config.write_text(PLAN + "parts = { seeds = 2 }\n", encoding="utf-8")
    outs = [tmp_path / "one", tmp_path / "two"]
    for out, jobs in zip(outs, ("1", "2"), strict=True):
        command = [sys.executable, "-m", "models.study", "--config", str(config), "--out", str(out), "--jobs", jobs]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    files = [sorted((out / "results").glob("*.json")) for out in outs]
    assert [path.name for path in files[0]] == [path.name for path in files[1]] != []
    for one, two in zip(*files, strict=True):
        values = [json.loads(path.read_text(encoding="utf-8"))["every"] for path in (one, two)]
        assert values[0] == values[1]


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
