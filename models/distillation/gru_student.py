"""A gated recurrent network over the window's tokens as a student: what spikes are decoded with today."""

from torch import Tensor, nn

from designs.schema import Design
from models.distillation.student import Student

HIDDEN = 48
DROPOUT = 0.3


class GruStudent(Student):
    """Reads tokens; the embedding is the state after the last one, [batch, HIDDEN]."""

    def __init__(self, design: Design):
        super().__init__()
        self.drop = nn.Dropout(DROPOUT)
        self.gru = nn.GRU(design.tokenizer.features, HIDDEN, batch_first=True)
        self.readout = nn.Linear(HIDDEN, design.model.outputs)

    def embedding(self, inputs: Tensor) -> Tensor:
        states: Tensor = self.gru(self.drop(inputs))[0]
        return states[:, -1]
