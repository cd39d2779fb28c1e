"""Every method under one roof: what it adds, what it leaves behind, and that it can be repeated and taken up again."""

from dataclasses import replace

import pytest
import torch
from taught_windows import REGRESSOR, SETTINGS, TAUGHT_DIM, design_of, lessons

from designs.ind_tiny import IND_TINY
from designs.schema import Design, TokenizerSpec
from models.checkpoint import load_checkpoint, save_checkpoint
from models.distillation.distil import Lessons, distil
from models.distillation.eegnet_student import EegNetStudent
from models.distillation.embedding_scale import whitening
from models.distillation.ind_student import IndStudent, mean_of_tokens
from models.distillation.orthogonal_projection import OrthogonalMap
from models.distillation.projections import Projection, pca_projection
from models.distillation.registry import METHODS, DistillationError, find_method
from models.distillation.students import STUDENTS, fits, student
from models.distillation.teaching import Teaching
from models.distillation.tskd import TskdStarted, learned_projection, task_part, with_projection
from models.distillation.tsr import deciding_weight
from models.fit import predict
from models.standardise import Standardisation
from models.window_tensors import WindowTensors

EVERY = [(method, regression) for method in METHODS for regression in (False, True)]


def started(regression: bool = False, name: str = "ind"):
    torch.manual_seed(3)
    return student(name, design_of(regression))


def trained(method, regression: bool = False, settings=SETTINGS, given: Lessons | None = None, **others):
    pupil = started(regression)
    return distil(pupil, method, given or lessons(regression=regression), design_of(regression), settings, **others)


def method_of(name: str, regression: bool = False, weight: float = 1.0):
    torch.manual_seed(0)
    taught = lessons(regression=regression).teaching
    return METHODS[name](started(regression), taught, regression=regression, weight=weight)


@pytest.mark.parametrize(("method", "regression"), EVERY)
def test_a_method_trains_the_student_and_changes_nothing_of_its_build(method, regression):
    before, found = started(regression), trained(method, regression)
    state = found.student.state_dict()
    assert {name: value.shape for name, value in state.items()} == {n: v.shape for n, v in before.state_dict().items()}
    assert all(bool(torch.isfinite(value).all()) for value in state.values())
    assert not torch.equal(state["ind.embed.weight"], before.state_dict()["ind.embed.weight"])
    again = trained(method, regression).student.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in state.items())


@pytest.mark.parametrize("method", [name for name in METHODS if name != "none"])
def test_a_method_is_not_no_distillation(method):
    alone, taught = trained("none").student.state_dict(), trained(method).student.state_dict()
    assert not torch.equal(alone["ind.blocks.0.expand.weight"], taught["ind.blocks.0.expand.weight"])


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("none", "simkd", "tskd_started")])
def test_without_weight_a_method_is_no_distillation(method):
    alone, taught = trained("none").student, trained(method, weight=0.0).student
    windows = lessons().windows
    # what a method trains besides shares the clipping of gradients, and nothing else
    assert torch.allclose(predict(alone, windows), predict(taught, windows), atol=1e-4)


@pytest.mark.parametrize(("method", "regression"), EVERY)
def test_a_method_has_a_weight_of_its_own_by_task(method, regression, monkeypatch):
    monkeypatch.setattr(METHODS[method], "weights", (0.25, 7.0))
    taught = lessons(regression=regression).teaching
    own = METHODS[method](started(regression), taught, regression=regression)
    assert own.weight == (7.0 if regression else 0.25) and method_of(method, regression, weight=2.0).weight == 2.0


def test_a_student_that_was_trained_before_goes_on_from_its_weights():
    pupil, still = started(), replace(SETTINGS, learning_rate=0.0)
    distil(pupil, "none", lessons(), IND_TINY, SETTINGS)
    before = {name: value.clone() for name, value in pupil.state_dict().items()}
    distil(pupil, "kd", lessons(seed=5), IND_TINY, still, begun=True)
    assert all(torch.equal(value, before[name]) for name, value in pupil.state_dict().items())
    distil(pupil, "kd", lessons(seed=5), IND_TINY, still)  # gains of new windows are folded into it
    assert not torch.equal(pupil.state_dict()["ind.embed.weight"], before["ind.embed.weight"])


@pytest.mark.parametrize("method", ["simkd", "tofd", "vkd", "tskd"])
def test_an_interrupted_training_ends_as_if_it_had_not_been(method, tmp_path):
    def interrupt(epoch, *_):
        if epoch == 2:
            raise KeyboardInterrupt

    path, epochs = tmp_path / "resume.safetensors", []
    with pytest.raises(KeyboardInterrupt):
        trained(method, state_path=path, on_epoch=interrupt)
    found = trained(method, state_path=path, on_epoch=lambda epoch, *_: epochs.append(epoch)).student.state_dict()
    assert epochs == [3]
    assert all(torch.equal(value, found[name]) for name, value in trained(method).student.state_dict().items())


def test_the_state_of_another_method_or_teacher_is_not_taken_up(tmp_path):
    path, epochs = tmp_path / "resume.safetensors", []

    def heard(epoch, *_):
        epochs.append(epoch)

    trained("none", state_path=path)
    trained("kd", state_path=path, on_epoch=heard)
    other = lessons()
    doubled = Teaching(other.teaching.embedding, other.teaching.weight, other.teaching.bias + 1)
    trained("kd", state_path=path, given=Lessons(other.windows, doubled, doubled), on_epoch=heard)
    assert epochs == [1, 2, 3, 1, 2, 3]


def wrong_labels(given: Lessons) -> Lessons:
    """Half of the labels say another class; the teacher does not believe them."""
    label = given.windows.label.clone()
    label[::2] = (label[::2] + 1) % 4
    return replace(given, windows=WindowTensors(given.windows.tokens, given.windows.rows, label))


def right(found, test: WindowTensors) -> float:
    return float((predict(found.student, test).argmax(dim=1) == test.label).float().mean())


@pytest.mark.parametrize("method", ["kd", "simkd"])
def test_a_teacher_of_decisions_helps_where_labels_are_wrong(method):
    settings = replace(SETTINGS, epochs=15, learning_rate=1e-2)
    given, test = wrong_labels(lessons(96)), lessons(400, seed=7).windows
    alone, taught = (trained(name, given=given, settings=settings, weight=4.0) for name in ("none", method))
    assert right(taught, test) > right(alone, test) + 0.1


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize("method", [name for name in METHODS if name != "none"])
def test_what_a_method_asks_for_is_learned(method, regression):
    given, terms = lessons(96, regression=regression), []
    for epochs, rate in ((1, 0.0), (15, 1e-2)):
        settings = replace(SETTINGS, epochs=epochs, learning_rate=rate)
        found = trained(method, regression, settings=settings, given=given, weight=4.0)
        with torch.no_grad():
            embedding = found.student.embedding(given.windows.all_tokens())
            terms.append(float(found.term(embedding, found.student.readout(embedding), given.teaching.embedding)))
    assert terms[1] < 0.95 * terms[0]


def test_kd_asks_for_nothing_of_a_student_that_decides_as_the_teacher():
    found = method_of("kd")
    taught = lessons().teaching
    wanted = found.taught_outputs(taught.embedding)
    assert torch.allclose(wanted, taught.logits)
    assert float(found.term(torch.zeros(48, 8), wanted + 7.0, taught.embedding)) == pytest.approx(0.0, abs=1e-6)
    assert float(found.term(torch.zeros(48, 8), -wanted, taught.embedding)) > 0.1


def test_simkd_leaves_the_teachers_readout_in_the_students():
    found, windows = method_of("simkd"), lessons().windows
    with torch.no_grad():
        promised = found(windows.all_tokens())
        found.finish()
        assert torch.allclose(found.student(windows.all_tokens()), promised, atol=1e-4)


@pytest.mark.parametrize(("inputs", "outputs"), [(8, 20), (20, 8), (8, 8)])
def test_an_orthogonal_map_stays_orthonormal_while_it_learns(inputs, outputs):
    torch.manual_seed(0)
    found = OrthogonalMap(inputs, outputs)
    optimiser = torch.optim.Adam(found.parameters(), 0.1)
    before = found.matrix().detach().clone()
    for _ in range(5):
        optimiser.zero_grad()
        (found(torch.randn(30, inputs)) - 1).square().mean().backward()
        optimiser.step()
    matrix = found.matrix().detach()
    gram = matrix.T @ matrix if outputs >= inputs else matrix @ matrix.T
    assert torch.allclose(gram, torch.eye(len(gram)), atol=1e-5)
    assert not torch.allclose(before, matrix, atol=1e-2)


def test_whitening_makes_the_covariance_the_identity_and_leaves_unseen_directions_out():
    embedding = torch.randn(500, 6, generator=torch.Generator().manual_seed(0)) @ torch.randn(6, 6)
    embedding[:, 5] = embedding[:, 4]
    found = torch.cov(((embedding - embedding.mean(dim=0)) @ whitening(embedding)).T, correction=0)
    values = torch.linalg.eigvalsh(found)
    assert torch.allclose(values, torch.tensor([0.0, 1, 1, 1, 1, 1]), atol=1e-3)


def test_vkd_standardises_and_its_variant_whitens():
    z = lessons(400).teaching.embedding
    found = {name: (z - z.mean(dim=0)) @ method_of(name).fitted_normaliser(z) for name in ("vkd", "vkd_whitened")}
    covered = {name: torch.cov(each.T, correction=0) for name, each in found.items()}
    assert torch.allclose(covered["vkd"].diagonal(), torch.ones(TAUGHT_DIM), atol=1e-3)
    assert covered["vkd"].fill_diagonal_(0).abs().max() > 0.1  # correlations stay
    white = covered["vkd_whitened"]
    assert torch.allclose(white @ white, white, atol=1e-2)  # 1 in every direction that the windows show, 0 elsewhere


@pytest.mark.parametrize("name", ["vkd", "vkd_whitened", "orthogonal_projection", "fitnets", "simkd"])
def test_what_features_are_compared_with_has_unit_variance_whatever_the_teachers_size(name):
    taught = lessons().teaching
    large = Teaching(taught.embedding * 1000 + 5, taught.weight / 1000, taught.bias)
    torch.manual_seed(0)
    pupil = started()
    terms = []
    for each in (taught, large):
        torch.manual_seed(0)
        found = METHODS[name](pupil, each, regression=False)
        terms.append(float(found.term(torch.zeros(48, 8), torch.zeros(48, 4), each.embedding).detach()))
    assert terms[0] == pytest.approx(terms[1], rel=1e-3)
    assert 0.5 < terms[0] < 1.5


@pytest.mark.parametrize("regression", [False, True])
def test_tskd_asks_for_nothing_of_a_student_that_is_aligned(regression):
    found, taught = method_of("tskd", regression), lessons(regression=regression).teaching
    wanted = found.projected(taught.embedding)
    assert wanted.shape == (48, 8)  # a regressor of four tokens is aligned by their mean
    assert float(wanted.var(dim=0, correction=0).mean()) == pytest.approx(1.0, abs=1e-3)
    embedding = wanted.repeat(1, 4) if regression else wanted
    assert float(found.term(embedding, wanted, taught.embedding)) == pytest.approx(0.0, abs=1e-10)
    assert not [name for name, _ in found.named_parameters() if not name.startswith("student.")]  # P is frozen


@pytest.mark.parametrize(
    ("name", "regression"),
    [("ind", False), ("ind", True), ("ind_convolution", True), ("ind_mlp", False), ("eegnet", False), ("gru", False)],
)
def test_a_started_student_that_is_aligned_decides_as_the_teacher(name, regression):
    taught, pupil = lessons(regression=regression).teaching, started(regression, name)
    torch.manual_seed(0)
    found = METHODS["tskd_started"](pupil, taught, regression=regression)
    moments = pupil.embed_dim // pupil.aligned_dim
    wanted = found.projected(taught.embedding)
    embedding = wanted.repeat_interleave(moments, dim=1) if name == "eegnet" else wanted.repeat(1, moments)
    assert torch.allclose(pupil.aligned(embedding), wanted, atol=1e-5)
    decided = pupil.readout(embedding)
    if regression:
        assert torch.allclose(decided, taught.logits, atol=0.2)
    else:
        assert torch.equal(decided.argmax(dim=1), taught.logits.argmax(dim=1))


def test_tskd_asks_mostly_for_what_decides():
    """Its ridge leaves P little else, and what is little must not be made large again before step 2."""
    given = lessons(400).teaching
    taught = Teaching(given.embedding, given.weight[:2], given.bias[:2])
    torch.manual_seed(0)
    projection = learned_projection(taught, 8, regression=False)
    whole = projection.of_unit_size(taught.embedding)(taught.embedding).double()
    decides = (taught.logits[:, 0] - taught.logits[:, 1]).double()
    decides = (decides - decides.mean()) / (decides - decides.mean()).norm()
    apart = whole / whole.std(dim=0)  # every column made as large
    shares = [float((decides @ each).square().sum() / each.square().sum()) for each in (whole, apart)]
    assert shares[0] > 0.97 > shares[1]


@pytest.mark.parametrize("regression", [False, True])
def test_a_started_readout_does_not_read_rounding(regression):
    taught, pupil = lessons(regression=regression).teaching, started(regression)
    matrix = torch.randn(TAUGHT_DIM, 1, generator=torch.Generator().manual_seed(6)).double().repeat(1, 8)
    matrix += 1e-5 * torch.randn(TAUGHT_DIM, 8, generator=torch.Generator().manual_seed(7)).double()  # nearly one direction

    class Started(TskdStarted):
        def fitted_projection(self, teaching, dim):
            return Projection(matrix, teaching.embedding.double().mean(dim=0))

    Started(pupil, taught, regression=regression)
    size = float(taught.logits.std(dim=0, correction=0).norm())
    assert float(pupil.readout.weight.detach().norm()) < size


def test_tskd_takes_any_projection_of_the_right_width():
    taught = lessons().teaching
    found = with_projection(pca_projection(taught, 8))(started(), taught, regression=False)
    assert torch.allclose(found.projection, pca_projection(taught, 8).of_unit_size(taught.embedding).matrix.float())
    with pytest.raises(ValueError, match=r"^the projection has 5 dimensions, the student 8; fit it for the student$"):
        with_projection(pca_projection(taught, 5))(started(), taught, regression=False)


@pytest.mark.parametrize("name", ["ind", "eegnet"])
def test_a_student_is_free_where_a_projection_has_no_column(name):
    taught, pupil = lessons().teaching, started(name=name)
    kept = pca_projection(taught, 3)
    empty = torch.zeros(TAUGHT_DIM, pupil.aligned_dim - 3, dtype=torch.float64)
    found = with_projection(Projection(torch.cat([kept.matrix, empty], dim=1), kept.centre))(pupil, taught, regression=False)
    embedding = torch.randn(48, pupil.embed_dim, generator=torch.Generator().manual_seed(4), requires_grad=True)
    apart = (pupil.aligned(embedding) - found.projected(taught.embedding))[:, :3]
    term = found.term(embedding, torch.zeros(48, 4), taught.embedding)
    assert float(term.detach()) == pytest.approx(float(apart.square().mean()), rel=1e-5)  # the mean of those asked for
    (pull,) = torch.autograd.grad(term, embedding)
    moments = pupil.embed_dim // pupil.aligned_dim
    pulled = pull.view(48, -1, moments) if name == "eegnet" else pull.view(48, moments, -1).transpose(1, 2)
    assert pulled[:, :3].abs().min() > 0 and pulled[:, 3:].abs().max() == 0
    nothing = Projection(torch.zeros(TAUGHT_DIM, pupil.aligned_dim, dtype=torch.float64), kept.centre)
    idle = with_projection(nothing)(pupil, taught, regression=False)
    assert float(idle.term(embedding, torch.zeros(48, 4), taught.embedding).detach()) == 0.0


def test_the_task_part_is_all_that_the_readout_sees():
    taught = lessons().teaching
    part = task_part(taught.embedding, taught.weight)
    assert torch.allclose(part @ taught.weight.T, taught.embedding @ taught.weight.T, atol=1e-4)
    assert torch.linalg.matrix_rank(part.double(), rtol=1e-5) == 4 < TAUGHT_DIM


def learned(taught: Teaching, regression: bool) -> torch.Tensor:
    torch.manual_seed(0)
    return learned_projection(taught, 8, regression=regression).matrix


def test_what_is_common_to_all_logits_is_no_part_of_the_task():
    taught = lessons().teaching
    vector = torch.randn(1, TAUGHT_DIM, generator=torch.Generator().manual_seed(5))
    common = Teaching(taught.embedding, taught.weight + vector, taught.bias)
    parts = [task_part(each.embedding, deciding_weight(each, regression=False)) for each in (taught, common)]
    assert torch.allclose(*parts, atol=1e-3)
    assert torch.linalg.matrix_rank(parts[0].double(), rtol=1e-5) == 3  # one less than the classes
    assert torch.allclose(learned(taught, False), learned(common, False), atol=0.02)
    assert not torch.allclose(learned(taught, True), learned(common, True), atol=0.02)  # a regressor's is a value


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_is_its_readout_of_its_embedding(name, regression):
    pupil, windows = (
        started(regression, name).eval(),
        lessons(regression=regression, signal=STUDENTS[name].reads != "tokens").windows,
    )
    inputs = windows.all_tokens()
    embedding = pupil.embedding(inputs)
    assert embedding.shape == (48, pupil.embed_dim)
    assert pupil.aligned(embedding).shape == (48, pupil.aligned_dim)
    assert torch.allclose(pupil(inputs), pupil.readout(embedding))


@pytest.mark.parametrize("name", ["eegnet", "gru"])
@pytest.mark.parametrize("method", ["none", "tskd", "kd"])
def test_other_students_learn_under_the_same_recipe(name, method):
    given = lessons(64, signal=name == "eegnet")
    found = distil(started(name=name), method, given, IND_TINY, replace(SETTINGS, epochs=12, learning_rate=1e-2))
    assert right(found, given.windows) > 0.5


def test_averaged_weights_keep_the_running_statistics():
    found = distil(started(name="eegnet"), "none", lessons(signal=True), IND_TINY, SETTINGS).student
    assert float(found.net.bnorm_1.running_var.sub(1).abs().max()) > 0.01


def test_the_weights_of_an_ind_student_are_a_checkpoint(tmp_path):
    pupil, windows = trained("tskd").student, lessons().windows
    assert isinstance(pupil, IndStudent)
    standardisation = Standardisation(torch.zeros(16), torch.ones(16))
    save_checkpoint(tmp_path / "model.safetensors", IND_TINY, pupil.ind, standardisation)
    found, _ = load_checkpoint(tmp_path / "model.safetensors", IND_TINY)
    assert torch.equal(predict(found, windows), predict(pupil, windows))


def test_the_mean_of_tokens():
    assert torch.equal(mean_of_tokens(torch.tensor([[1.0, 2.0, 3.0, 6.0]]), 2), torch.tensor([[2.0, 4.0]]))


def test_a_linear_start_is_the_linear_decoder():
    settings = replace(SETTINGS, epochs=1, learning_rate=0.0, start="linear")
    given = lessons(96)
    found = trained("none", settings=settings, given=given)
    assert right(found, given.windows) > 0.9


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            lambda good: replace(good, teaching=Teaching(torch.zeros(48, 3), torch.zeros(2, 3), torch.zeros(2))),
            "the teacher decides between 2 outputs, the student's task has 4; train a teacher on this task",
        ),
        (
            lambda good: replace(good, teaching=good.teaching.take(torch.arange(5))),
            "the teacher speaks of 5 windows, the student trains on 48; let it see the same ones",
        ),
    ],
)
def test_a_teacher_that_does_not_fit(broken, message):
    with pytest.raises(DistillationError) as caught:
        trained("kd", given=broken(lessons()))
    assert str(caught.value) == message


def test_unknown_names():
    with pytest.raises(DistillationError, match=r"^method 'tsdk' is unknown: did you mean tskd\?$"):
        find_method("tsdk")
    with pytest.raises(DistillationError, match=r"^method 'magic' is unknown: the methods are none, kd, fitnets, simkd, "):
        find_method("magic")
    with pytest.raises(
        DistillationError,
        match=r"^student 'transformer' is unknown: the students are ind, ind_convolution, ind_samples, ind_mlp, eegnet, gru$",
    ):
        student("transformer", IND_TINY)


def ready(rows: int) -> Design:
    """A regressor of counts, `rows` to a window."""
    tokenizer = TokenizerSpec(5, 20, 1, 1, 0, 0.0, 50, signal="counts")
    return replace(REGRESSOR, tokenizer=tokenizer, model=replace(REGRESSOR.model, tokens=rows))


def test_eegnet_says_from_how_many_samples_on_it_fits():
    assert fits("eegnet", IND_TINY) is None and fits("ind", ready(20)) is None and fits("gru", ready(20)) is None
    assert fits("eegnet", ready(26)) == "eegnet needs 27 samples, the window has 26"
    with pytest.raises(DistillationError, match=r"^student eegnet needs 27 samples, the window has 20; use another student$"):
        student("eegnet", ready(20))
    assert fits("eegnet", ready(27)) is None
    assert student("eegnet", ready(27)).eval()(torch.zeros(2, 27, 5)).shape == (2, 2)
    with pytest.raises(ValueError, match="Output size is too small"):
        EegNetStudent(ready(26))
    tokenizer, fast = replace(IND_TINY.tokenizer, token_ms=30), replace(IND_TINY.hardware, clock_khz=1000)
    short = replace(IND_TINY, model=replace(IND_TINY.model, tokens=2), tokenizer=tokenizer, hardware=fast)
    assert fits("eegnet", short) == "eegnet needs 27 samples, the window has 9 at 150 Hz"
    with pytest.raises(DistillationError, match=r"^student 'eegnt' is unknown: did you mean eegnet"):
        fits("eegnt", IND_TINY)
