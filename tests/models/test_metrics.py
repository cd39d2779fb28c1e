"""Figures of merit on cases worked out by hand."""

import numpy as np
import pytest

from models.metrics import accuracy, correlation, macro_f1, r2, wilson_interval


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


def test_wilson_interval_holds_the_share_and_narrows_with_windows():
    low, high = wilson_interval(0.9, 240)
    assert (low, high) == pytest.approx((0.8554, 0.9319), abs=2e-4)
    assert wilson_interval(1.0, 30)[1] == 1.0 and wilson_interval(1.0, 30)[0] == pytest.approx(30 / (30 + 1.96**2))
    assert wilson_interval(0.0, 30)[0] == 0.0
