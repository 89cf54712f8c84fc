"""What staff are told where a step cannot be taken."""

from collections.abc import Sequence

from django.utils.functional import Promise

from notifications.notices.checklist import Unmet


class StepRefused(Exception):  # noqa: N818 (a refusal is an answer, not an error)
    """The rule that forbids a step; `message` is for people, `problems` are what is unmet."""

    def __init__(self, message: str | Promise, problems: Sequence[Unmet] = ()) -> None:
        super().__init__("refused")
        self.message = message
        self.problems = list(problems)
