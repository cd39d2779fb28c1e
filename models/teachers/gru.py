"""A wide gated recurrent network over the rows of a window: the baseline of models.baselines.gru, larger and trained alike."""

from torch import Tensor, nn

from models.augment import Augmentation
from models.teachers.teacher import Teacher, TeacherTask, TeacherTraining


class GruTeacher(Teacher):
    """Rows, some inputs dropped -> GRU -> its last state -> readout."""

    name = "gru"
    tasks = ("classes", "targets")
    kinds = ("counts", "features")

    def __init__(self, task: TeacherTask, *, hidden: int = 224, dropout: float = 0.3):
        super().__init__(task, hidden=hidden, dropout=dropout)
        self.drop = nn.Dropout(dropout)
        self.gru = nn.GRU(task.channels, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, task.outputs)

    @classmethod
    def training_for(cls, task: TeacherTask) -> TeacherTraining:
        return TeacherTraining(
            steps=600, batch=128, learning_rate=3e-3, weight_decay=0.01, augmentation=Augmentation(0.0, 0.0, 0.0, 0.0)
        )

    def embedding(self, signal: Tensor) -> Tensor:
        states: Tensor = self.gru(self.drop(signal))[0]
        last: Tensor = self.drop(states[:, -1])
        return last
