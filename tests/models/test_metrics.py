"""Figures of merit on cases worked out by hand, and the file they go into."""

import json
import re

import numpy as np
import pytest

from models.metrics import Metric, MetricError, accuracy, correlation, macro_f1, r2, wilson_interval, write_metrics


def test_accuracy_and_macro_f1():
    label, decided = np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])
    assert accuracy(label, decided) == 0.75
    assert macro_f1(label, decided) == pytest.approx((6 / 7 + 0) / 2)


def test_r2_and_correlation_are_means_over_outputs():
    target = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    found = np.array([[1.0, 2.0], [2.0, 2.0], [3.0, 2.0]])
    assert r2(target, found) == pytest.approx(0.5)
    assert correlation(target, found) == pytest.approx(0.5)
    assert correlation(target, -target) == pytest.approx(-1)


def test_metrics_are_a_flat_list_and_nothing_half_written_stays(tmp_path):
    write_metrics([Metric("a", 1.5, "s", "lower", "here")], tmp_path / "metrics.json")
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found == [{"name": "a", "value": 1.5, "unit": "s", "better": "lower", "origin": "here"}]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


@pytest.mark.parametrize(
    ("better", "origin", "message"),
    [
        ("more", "here", "metric a: better='more'; use one of higher, lower, none"),
        ("lower", "", "metric a: says not where it comes from; give its origin"),
    ],
)
def test_a_metric_without_direction_or_origin_is_refused(better, origin, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Metric("a", 1.0, "s", better, origin)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -np.inf, True, "1"])
def test_a_metric_that_is_no_finite_number_is_refused(value):
    with pytest.raises(MetricError, match=rf"^metric a: value={re.escape(repr(value))} is not a finite number; nothing was"):
        Metric("a", value, "s", "lower", "here")


def test_wilson_interval_holds_the_share_and_narrows_with_windows():
    low, high = wilson_interval(0.9, 240)
    assert (low, high) == pytest.approx((0.8554, 0.9319), abs=2e-4)
    assert wilson_interval(1.0, 30)[1] == 1.0 and wilson_interval(1.0, 30)[0] == pytest.approx(30 / (30 + 1.96**2))
    assert wilson_interval(0.0, 30)[0] == 0.0
