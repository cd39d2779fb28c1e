"""How decoders are trained: the settings of models.fit by what is decoded from what, chosen on training parts only."""

from dataclasses import replace

from designs.schema import Design
from models.augment import Augmentation
from models.fit import FitSettings

CLASSIFICATION = FitSettings(epochs=4, learning_rate=3e-5, start="linear", judged=False, average=0.99, spread=1, patterns=2 / 3)
FEATURES = FitSettings(
    epochs=16, batch=128, learning_rate=2e-3, judged=False, average=0.99, augmentation=Augmentation(1.0, 0.3, 0.0, 1.0)
)
COUNTS = replace(FEATURES, epochs=24, learning_rate=5e-3, augmentation=Augmentation(0.0, 0.4, 0.3, 0.0, bursts=0.02))

CALIBRATION = FitSettings(epochs=10, batch=32, judged=False, spread=1, patterns=2 / 3)


def calibration_recipe(design: Design, seed: int) -> FitSettings:
    """For a student that calibrates on a few trials of a new session, with or without a teacher: a fixed number of epochs."""
    return benchmark_recipe(design, seed) if design.model.regression else replace(CALIBRATION, seed=seed)


def benchmark_recipe(design: Design, seed: int) -> FitSettings:
    """For the IND that models.benchmark draws: no epoch is chosen by validation, so that every trial of few may train."""
    if not design.model.regression:
        return replace(CLASSIFICATION, seed=seed)
    return replace(COUNTS if design.tokenizer.signal == "counts" else FEATURES, seed=seed)


def named_recipe(design: Design, seed: int) -> FitSettings:
    """For a named design: classifiers stop where validation says, regressors are trained as in the benchmark."""
    return benchmark_recipe(design, seed) if design.model.regression else FitSettings(seed=seed)
