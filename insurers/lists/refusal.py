"""A file that cannot be taken: raised by whoever finds out, caught by the ingestion."""

from insurers.lists.problems import Refusal


class FileRefusedError(Exception):
    """The whole file is refused; the place is a row (header = 1) and a column's code.

    `problem` is the code of what is wrong there, where `code` does not say it.
    """

    def __init__(
        self, code: Refusal, *, row: int | None = None, column: str = "", problem: str = ""
    ) -> None:
        super().__init__(code.value)
        self.code = code
        self.row = row
        self.column = column
        self.problem = problem
