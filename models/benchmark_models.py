"""The models of a benchmark by name, and how one is trained and tested on a fold.

A fold is a `Recording` with its test sessions named (models.splits). A model that is no baseline is a module with

    evaluate(fold: Recording, model: str, seed: int) -> models.outcome.Outcome
    check(fold: Recording) -> None, where it cannot take every fold: raises RecordingError
    check_name(model: str) -> None, where it has many rows, told apart behind a colon: raises DesignError
    rows(model: str) -> tuple[str, ...], there too: the rows that a name or a pattern with * stands for; raises DesignError

It is loaded by its name when it is asked for, since integer decoders live to the right of this package.
"""

import importlib
import time
from collections.abc import Callable

from models.baselines.registry import BASELINES
from models.outcome import Outcome
from models.recording import Recording
from models.trials import windows_of

OTHERS = {
    "ind": "models.ind_benchmark",
    "ind_centres": "models.centres_benchmark",
    "ind_int8": "quant.ind_benchmark",
    "ind_int4": "quant.ind_benchmark",
}
"""Model -> its module."""
MANY = {"ind_q": "quant.comparison.benchmark"}
"""What stands before the first colon of a model of many rows -> its module."""
NAMES = (*BASELINES, *OTHERS)


class BenchmarkError(ValueError):
    """A benchmark that cannot be run; one line."""


def module_of(model: str) -> str:
    """The module that the model's results depend on, with all that it imports."""
    return BASELINES[model].__module__ if model in BASELINES else _other(model)


def rows_of(model: str) -> tuple[str, ...]:
    """The models that a name stands for: itself, or of a kind of many rows those that its module finds."""
    if (kind := model.partition(":")[0]) not in MANY:
        return (model,)
    found: tuple[str, ...] = importlib.import_module(MANY[kind]).rows(model)
    return found


def is_random(model: str) -> bool:
    """Whether the seed matters to the model."""
    return BASELINES[model].random if model in BASELINES else True


def check_model(model: str, fold: Recording) -> None:
    """BenchmarkError or DesignError: there is no such model; BaselineError or RecordingError: it cannot take the fold."""
    if model in BASELINES:
        BASELINES[model]().check(windows_of(fold)[0])
    else:
        _evaluator(model)
        module = importlib.import_module(_other(model))
        getattr(module, "check_name", lambda model: None)(model)
        getattr(module, "check", lambda fold: None)(fold)


def evaluate(fold: Recording, model: str, seed: int) -> Outcome:
    """Train `model` on the fold's training windows and predict its test windows, once."""
    return evaluate_baseline(fold, model, seed) if model in BASELINES else _evaluator(model)(fold, model, seed)


def _other(model: str) -> str:
    """The module of a model that is no baseline."""
    kind = model.partition(":")[0]
    if kind in MANY:
        return MANY[kind]
    if model not in OTHERS:
        raise BenchmarkError(f"model {model!r} is unknown; use {', '.join(NAMES)}")
    return OTHERS[model]


def _evaluator(model: str) -> Callable[[Recording, str, int], Outcome]:
    try:
        found: Callable[[Recording, str, int], Outcome] = importlib.import_module(_other(model)).evaluate
    except (ImportError, AttributeError) as error:
        raise BenchmarkError(f"model {model}: {_other(model)} cannot be loaded ({error}); leave it out") from error
    return found


def evaluate_baseline(fold: Recording, model: str, seed: int) -> Outcome:
    """Fit the baseline called `model` on the fold's training windows, predict its test windows, once."""
    train, test = windows_of(fold)
    baseline = BASELINES[model]()
    begin = time.process_time()
    baseline.fit(train, seed)
    train_s = time.process_time() - begin
    predicted = baseline.predict(test)
    return Outcome(predicted, test.wanted, len(train), baseline.parameters, baseline.macs(test), train_s)
