"""Integers that decode clearly worse than float are a failed check of the build."""

from designs.metric import Metric
from hw.build import silicon_flow
from hw.flow.quantize import Quantize, accuracy_lost
from hw.flow.train import Train


def measured(before: float, after: float) -> tuple[Metric, ...]:
    values = {"accuracy__float": before, "accuracy__integer": after}
    return tuple(Metric(name, value, "share", "higher", "test") for name, value in values.items())


def test_two_points_and_one_window_may_be_lost():
    assert accuracy_lost(measured(0.9, 0.87), 100) == ()
    assert accuracy_lost(measured(0.9, 0.95), 100) == ()


def test_one_window_more_is_a_failure_in_one_line():
    (line,) = accuracy_lost(measured(0.9, 0.86), 100)
    assert line.startswith("quantize: integers decode 86.0% of 100 test windows, the float decoder 90.0%") and "\n" not in line
    assert accuracy_lost(measured(0.9, 0.85), 20) == () and accuracy_lost(measured(0.9, 0.8), 20) != ()


def test_a_regressor_may_lose_a_twentieth_of_r2():
    def found(after: float) -> tuple[Metric, ...]:
        return tuple(
            Metric(f"r2__{name}", value, "share", "higher", "test") for name, value in (("float", 0.8), ("integer", after))
        )

    assert accuracy_lost(found(0.751), 100) == () and accuracy_lost(found(0.9), 100) == ()
    (line,) = accuracy_lost(found(0.749), 100)
    assert line.startswith("quantize: integers reach R2 0.749, the float decoder 0.800: more than 0.05 lost; give the design")


def test_the_build_seeds_quantization_as_training():
    steps = silicon_flow(Train(None, None, 7))
    assert next(step for step in steps if isinstance(step, Quantize)).seed == 7
