"""The benchmark's row `ind_centres`: the IND of models.ind_benchmark, its wavelets centred as the fold's training part says."""

import time

from models.fit import predict
from models.ind_benchmark import design_for, float_ind, outcome
from models.learn_centres import learn_centres, with_centres
from models.outcome import Outcome
from models.recipes import benchmark_recipe
from models.recording import Recording, RecordingError
from models.windows import decoding_set


def check(fold: Recording) -> None:
    """RecordingError where the recording gets no design, or one without wavelets: its row would be that of `ind`, renamed."""
    if fold.kind != "voltage":
        raise RecordingError(f"{fold.source}: holds {fold.kind}, ind_centres has no wavelets to centre; use ind")
    design_for(fold)


def evaluate(fold: Recording, model: str, seed: int) -> Outcome:
    """Learn the centres, train the float IND on the fold and decode its test windows, once. `model` is the row's name."""
    check(fold)
    begin = time.process_time()
    design = design_for(fold)
    windows = decoding_set(fold, design, benchmark_recipe(design, seed).spread)
    design = with_centres(design, learn_centres(windows, design, seed))
    trained, found = float_ind(fold, design, seed)
    train_s = time.process_time() - begin
    return outcome(design, trained, found, predict(trained.model, trained.parts["test"]).numpy(), train_s)
