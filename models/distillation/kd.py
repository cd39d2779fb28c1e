"""Plain knowledge distillation: the student's decision should be the teacher's, softened (Hinton, Vinyals and Dean 2015)."""

from torch import Tensor, nn

from models.distillation.method import Method

TEMPERATURE = 2.0


class LogitDistillation(Method):
    """``loss = task loss + weight * T^2 * KL(softmax((W z + b) / T) || softmax(student / T))``; W z + b: the teacher's logits.

    G. Hinton, O. Vinyals, J. Dean: Distilling the knowledge in a neural network, arXiv 1503.02531. Our reading: the two terms
    are added, not blended, so that `weight` means what it means for every method here; a regressor has no temperature, its term
    is the mean squared difference from the teacher's values. At the start: 0 under a teacher that knows nothing, 1 to 2 under
    one that is sure, since T^2 undoes what softening takes from the gradient; a regressor about 1.
    """

    name = "kd"

    def term(self, embedding: Tensor, outputs: Tensor, taught: Tensor) -> Tensor:
        return output_distance(outputs, self.taught_outputs(taught), regression=self.regression)


def output_distance(outputs: Tensor, taught: Tensor, *, regression: bool, temperature: float = TEMPERATURE) -> Tensor:
    """outputs, taught [batch, outputs] of student and teacher -> scalar: softened divergence, or mean squared difference."""
    if regression:
        return nn.functional.mse_loss(outputs, taught)
    expected, found = ((values / temperature).log_softmax(dim=1) for values in (taught, outputs))
    return temperature**2 * nn.functional.kl_div(found, expected, reduction="batchmean", log_target=True)
