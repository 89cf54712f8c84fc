"""Read the directory's CSV files whole; name every fault by file, line and column."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.db.models import Field, ForeignKey, Model
from django.utils.translation import gettext as _

from insurers.directory.tables import BY_BREACH, NAMES_OF_AN_INSURER, ORDERED, SHARED, Table
from insurers.models import Breach, Insurer, Source


@dataclass(frozen=True)
class Problem:
    """A fault in the files: where it is (line 0: the whole file), what is wrong, what to do."""

    file: str
    line: int
    column: str
    message: str

    def __str__(self) -> str:
        place = [self.file]
        if self.line:
            place.append(_("ligne %(line)d") % {"line": self.line})
        if self.column:
            place.append(_("colonne « %(column)s »") % {"column": self.column})
        return _("%(place)s : %(message)s") % {"place": ", ".join(place), "message": self.message}


class DirectoryRefused(Exception):  # noqa: N818 (the files are at fault, not the program)
    """At least one fault was found, so that nothing of the files is loaded."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = list(problems)


@dataclass(frozen=True)
class Reference:
    """A row of a table, as the other files name it."""

    model: type[Model]
    name: str


@dataclass(frozen=True)
class Row:
    """One row to store: what its fields take, with a Reference for a foreign key."""

    model: type[Model]
    key: Mapping[str, Any]
    values: Mapping[str, Any]
    file: str
    line: int
    name: Reference | None = None
    sources: tuple[Reference, ...] | None = None


def read_directory(folder: Path) -> list[Row]:
    """Return every row of `folder`, each after the rows that it refers to.

    Raises DirectoryRefused with all the faults found.
    """
    reading = Reading(folder)
    for table in SHARED:
        reading.read(table, folder / table.filename)
    for place in sorted(path for path in folder.glob("*/") if path.is_dir()):
        for table in BY_BREACH:
            reading.read(table, place / table.filename, breach=place.name)
    if reading.problems:
        raise DirectoryRefused(reading.problems)
    return reading.rows


@dataclass
class Reading:
    """What was read so far: rows, faults, and the line that each name comes from."""

    folder: Path
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    names: dict[Reference, int] = field(default_factory=dict)

    def read(self, table: Table, path: Path, breach: str = "") -> None:
        """Add the rows and the faults of one file."""
        rows: list[Row] = []
        keys: dict[tuple[Any, ...], int] = {}
        for line in self._lines(table, path):
            faults = len(self.problems)
            row = line.row(position=len(rows), breach=breach)
            key = tuple(row.key.values())
            if len(self.problems) == faults and key in keys:
                message = _("cette ligne répète la ligne %d : supprimez l’une des deux.")
                line.refuse("", message % keys[key])
            keys.setdefault(key, line.number)
            rows += [row, *line.other_names()]
        if table.model is Insurer:
            self._check_successors(rows)
            # Whoever is referred to comes first: insurers, former brands, other names.
            rows.sort(key=lambda row: (row.model is not Insurer, "successor" in _given(row)))
        if table.model is Breach and len(rows) > 1:
            message = _("un dossier tient une seule violation : gardez une ligne.")
            self.problems.append(Problem(rows[1].file, rows[1].line, "", message))
        self.rows += rows

    def _lines(self, table: Table, path: Path) -> Iterator["Line"]:
        file = str(path.relative_to(self.folder))
        text = self._text(path, file)
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header: list[str] = []
        while text:
            number = reader.line_num + 1
            try:
                cells = [cell.strip() for cell in next(reader)]
            except StopIteration:
                return
            except csv.Error as error:
                message = _("la ligne est illisible (%s) : vérifiez guillemets et virgules.")
                self.problems.append(Problem(file, number, "", message % error))
                return
            if not header:
                header = cells
                if sorted(header) != sorted(table.columns):
                    message = _("les colonnes doivent être : %s.") % ",".join(table.columns)
                    self.problems.append(Problem(file, number, "", message))
                    return
            elif cells and len(cells) != len(header):
                message = _("%(found)d cellules au lieu de %(expected)d : vérifiez les virgules.")
                counts = {"found": len(cells), "expected": len(header)}
                self.problems.append(Problem(file, number, "", message % counts))
            elif cells:
                yield Line(self, table, file, number, dict(zip(header, cells, strict=True)))

    def _text(self, path: Path, file: str) -> str:
        """Return the file's text, or nothing and a fault."""
        try:
            data = path.read_bytes()
            text = data.decode("utf-8-sig")
        except OSError:
            problem = Problem(file, 0, "", _("le fichier manque ou ne peut être lu : ajoutez-le."))
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            problem = Problem(file, line, "", _("ce n’est pas de l’UTF-8 : convertissez-le."))
        else:
            if text and "\0" not in text:
                return text
            line = text.count("\n", 0, text.find("\0")) + 1 if text else 0
            problem = Problem(file, line, "", _("le fichier est vide ou binaire : remplacez-le."))
        self.problems.append(problem)
        return ""

    def _check_successors(self, rows: list[Row]) -> None:
        former = {row.name for row in rows if "successor" in _given(row)}
        for row in rows:
            successor = _given(row).get("successor")
            if successor and successor not in self.names:
                message = _unknown(successor)
            elif successor in former:
                message = _("ce successeur en a un lui-même : nommez l’organisme actuel.")
            else:
                continue
            self.problems.append(Problem(row.file, row.line, "successor", message))


@dataclass(frozen=True)
class Line:
    """One line of a file, turned into rows; its faults go to the reading."""

    reading: Reading
    table: Table
    file: str
    number: int
    cells: Mapping[str, str]

    def refuse(self, column: str, message: str) -> None:
        """Add a fault of this line."""
        self.reading.problems.append(Problem(self.file, self.number, column, message))

    def row(self, *, position: int, breach: str) -> Row:
        """Return the row; where a cell is at fault, its value means nothing."""
        model = self.table.model
        self._check_languages()
        found = {
            column: self._value(model, column, self.cells[column]) for column in self._own_columns()
        }
        if model is Breach:
            found["slug"] = breach
        elif breach:
            found["breach"] = Reference(Breach, breach)
        if model in ORDERED:
            found["position"] = position
        key = {column: found.pop(column) for column in self.table.key}
        name = self._name(breach)
        return Row(model, key, found, self.file, self.number, name, self._sources())

    def other_names(self) -> Iterator[Row]:
        """Return a row for each value of an insurer's `aliases` and `amc_numbers`."""
        for column, (model, attribute) in NAMES_OF_AN_INSURER.items():
            insurer = Reference(Insurer, self.cells.get("slug", ""))
            values = [value.strip() for value in self.cells.get(column, "").split("|")]
            for value in dict.fromkeys(value for value in values if value):
                key = {"insurer": insurer, attribute: self._value(model, attribute, value, column)}
                yield Row(model, key, {}, self.file, self.number)

    def _own_columns(self) -> list[str]:
        apart = {"sources", *NAMES_OF_AN_INSURER}
        if self.table.model is Source:
            apart.add("code")
        return [column for column in self.table.columns if column not in apart]

    def _name(self, breach: str) -> Reference | None:
        first = self.table.columns[0]
        if self.table.model is not Breach and first not in {"code", "slug"}:
            return None
        is_breach = self.table.model is Breach
        name = Reference(self.table.model, breach if is_breach else self.cells[first])
        if self.table.model is Source and name in self.reading.names:
            message = _("ce code est déjà celui de la ligne %d : choisissez-en un autre.")
            self.refuse("code", message % self.reading.names[name])
        self.reading.names.setdefault(name, self.number)
        return name

    def _value(self, model: type[Model], attribute: str, text: str, column: str = "") -> Any:
        """Return what the model's field makes of a cell, a Reference for a foreign key."""
        column = column or attribute
        place = cast("Field[Any, Any]", model._meta.get_field(attribute))
        if not text:
            if not (place.null or place.blank):
                self.refuse(column, _("la cellule est vide : remplissez-la."))
            return None if place.null else ""
        if isinstance(place, ForeignKey):
            return self._reference(place.related_model, text, column)
        try:
            return place.clean(text, None)
        except ValidationError as error:
            choices = ", ".join(str(code) for code, _label in place.choices or ())
            hint = _("Choisissez parmi : %s.") % choices if choices else ""
            self.refuse(column, " ".join([*error.messages, hint]).strip())
            return None

    def _reference(self, model: type[Model], name: str, column: str) -> Reference:
        found = Reference(model, name)
        # A successor may stand further down: it is checked at the end of the file.
        if found not in self.reading.names and model is not self.table.model:
            self.refuse(column, _unknown(found))
        return found

    def _sources(self) -> tuple[Reference, ...] | None:
        if "sources" not in self.table.columns:
            return None
        codes = self.cells["sources"].split()
        if not codes:
            self.refuse("sources", _("aucune source : écrivez le code d’au moins une."))
        return tuple(self._reference(Source, code, "sources") for code in codes)

    def _check_languages(self) -> None:
        for english in (column for column in self.table.columns if column.endswith("_en")):
            french = english.removesuffix("_en") + "_fr"
            if bool(self.cells[english]) != bool(self.cells[french]):
                empty = french if self.cells[english] else english
                self.refuse(empty, _("le texte manque dans cette langue : écrivez-le aussi."))


def _given(row: Row) -> dict[str, Any]:
    return {column: value for column, value in row.values.items() if value}


def _unknown(reference: Reference) -> str:
    file = next(table.filename for table in SHARED if table.model is reference.model)
    message = _("« %(name)s » n’est pas dans %(file)s : corrigez-le, ou ajoutez-y sa ligne.")
    return message % {"name": reference.name, "file": file}
