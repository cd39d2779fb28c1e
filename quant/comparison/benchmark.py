"""The rows ind_q:...: one float IND per fold and seed, quantized in every way that is compared, decoded as fake-quantized."""

import time
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import torch

from designs.decoding_set import DecodingSet
from designs.number_format import IntFormat
from designs.schema import Design, DesignError, QuantSpec
from models.fold_digest import fold_digest
from models.ind_benchmark import design_for, float_ind, outcome
from models.outcome import Outcome
from models.recording import Recording
from models.train import Trained
from quant.comparison.compared_ind import compared_ind, octaves_in_range
from quant.comparison.family import Family, read_name, rows_like
from quant.comparison.quantizers import pact_decay
from quant.fine_tune import QatSettings, fine_tune, logits
from quant.ind_benchmark import integer_outputs, quantize
from quant.integer_windows import IntegerWindows, integer_windows
from quant.quant_ind import QuantInd
from quant.quantized import float_embedding, float_filter


@dataclass(frozen=True)
class _Trainee:
    """A fold and a seed; two are the same where the fold's content is."""

    digest: str
    seed: int
    fold: Recording = field(compare=False)


@dataclass(frozen=True)
class FloatDecoder:
    """What every row of a fold and seed begins with."""

    design: Design
    trained: Trained
    found: DecodingSet
    train_s: float


def check(fold: Recording) -> None:
    """RecordingError where the recording gets no design."""
    design_for(fold)


def check_name(model: str) -> None:
    """DesignError where there is no such row."""
    read_name(model)


def rows(model: str) -> tuple[str, ...]:
    """What a name or a pattern stands for; DesignError where it fits no row."""
    return rows_like(model)


def evaluate(fold: Recording, model: str, seed: int) -> Outcome:
    """Quantize the fold's float IND as the row `model` says, and decode the test windows, once.

    The float IND and the integer windows of a width are kept for the next rows of the same fold and seed in this process, so
    rows of one fold and seed should follow each other. The product's own rows are run as integers too, and must decide alike.
    """
    family, weight, activation = read_name(model)
    trainee = _Trainee(fold_digest(fold), seed, fold)
    decoder = float_decoder(trainee)
    design = replace(decoder.design, quant=QuantSpec(weight=weight, activation=activation))
    begin = time.process_time()
    windows = windows_of(trainee, weight)
    quantized = quantized_with(family, design, decoder.trained, windows, seed)
    train_s = decoder.train_s + time.process_time() - begin
    outputs = logits(quantized, windows.parts["test"]).numpy()
    if family.of_the_product:
        refuse_other_integers(model, outputs, integer_outputs(quantized, decoder.trained.model, windows))
    return outcome(design, decoder.trained, decoder.found, outputs, train_s)


def quantized_with(family: Family, design: Design, trained: Trained, windows: IntegerWindows, seed: int) -> QuantInd:
    """Calibrated, and where the family learns, fine-tuned by the product's recipe: steps, rates and windows are the same."""
    if family.of_the_product:
        return quantize(design, trained.model, windows, seed)
    torch.manual_seed(seed)
    model, parts = compared_ind(trained.model, windows, design, family), windows.parts
    if family.learned:
        fine_tune(
            model,
            trained.model,
            parts["train"],
            parts["validation"],
            windows.standardisation,
            QatSettings(seed=seed),
            keep_in_range=lambda model: None,  # only the product's shifters stop at 0
            range_step=lambda value, octaves: octaves_in_range(family, value, octaves),
            penalty=(lambda model: pact_decay(model, family)) if family.method == "pact" else None,
        )
    return model


@lru_cache(maxsize=1)
def float_decoder(trainee: _Trainee) -> FloatDecoder:
    """Trained once for all rows; bit widths play no part in it."""
    begin = time.process_time()
    design = design_for(trainee.fold)
    trained, found = float_ind(trainee.fold, design, trainee.seed)
    return FloatDecoder(design, trained, found, time.process_time() - begin)


@lru_cache(maxsize=4)
def windows_of(trainee: _Trainee, weight: IntFormat) -> IntegerWindows:
    """Integer tokens, whose shifts depend on the weights' width alone (quant.token_shift)."""
    decoder = float_decoder(trainee)
    design = replace(decoder.design, quant=replace(decoder.design.quant, weight=weight))
    model = decoder.trained.model
    return integer_windows(decoder.found, design, float_embedding(model), spatial=float_filter(model))


def refuse_other_integers(model: str, fake: np.ndarray, integer: np.ndarray) -> None:
    """fake float32, integer float64 [windows, outputs]: DesignError names the first window at which they are not equal."""
    other = (fake.astype(np.float64) != integer).any(axis=1)
    if other.any():
        raise DesignError(
            f"{model}: fake-quantized outputs of {int(other.sum())} of {len(other)} test windows, the first of them window "
            f"{int(other.argmax())}, are not those of the integer golden model; this is a defect, please report it"
        )
