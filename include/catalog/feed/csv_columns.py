"""Rows of a CSV feed from their cells: by whole columns where all cells are plain, else row by row."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from include.catalog.base import CatalogRow, Chunk, RejectedRow, excerpt_of
from include.catalog.feed.fields import FIELDS, FieldNames
from include.catalog.feed.rows import (
    LONGEST_ID,
    LONGEST_PRICE,
    TRUTHS,
    UNSETTLED,
    RowReader,
    selling_words,
    settle_price,
    split_collections,
)
from include.domain.feed_fields import FieldMapping

# Fewer rows than this are not halved again to find the one that is not plain.
FEW_ROWS = 16
_PLAIN_QUANTITY = re.compile(r"0|-?[1-9][0-9]{0,11}")


class CsvTable:
    """Which cell is which catalog field."""

    def __init__(
        self, header: Sequence[str], names: FieldNames, settled: FieldMapping, delimiter: str
    ) -> None:
        self._delimiter = delimiter
        self._reader = RowReader(names, settled.rules)
        self._is_ruled = bool(settled.rules)
        self.width = len(header)
        # A field without a column points behind the last cell, where each row gets an empty one.
        self._pick = itemgetter(*(header.index(names[f]) if f in names else self.width for f in FIELDS))
        self._selling = {"": False, **selling_words(names.get("continue_selling", ""))}
        self._truths = TRUTHS | {"": True}

    def read_lines(self, lines: list[str], line_numbers: Sequence[int]) -> Chunk | None:
        """The rows of lines that hold no quotes, None where one of them has to be looked at by itself."""
        counts = {line.count(self._delimiter) for line in lines}
        if self._is_ruled or counts != {self.width - 1}:
            return None
        cells = self._delimiter.join(lines).split(self._delimiter)
        try:
            return self._settle([cells[at :: self.width] for at in range(self.width)], line_numbers)
        except _NotPlain:
            return None

    def read(self, rows: list[list[str]], line_numbers: Sequence[int], *, is_suspect: bool) -> Chunk:
        """The rows of these lines; of suspect ones each value is looked at, since text may be undecodable."""
        is_even = not is_suspect and not self._is_ruled and set(map(len, rows)) == {self.width}
        return self._read_even(rows, line_numbers) if is_even else self._read_each(rows, line_numbers)

    def _read_even(self, rows: list[list[str]], line_numbers: Sequence[int]) -> Chunk:
        try:
            return self._settle_rows(rows, line_numbers)
        except _NotPlain:
            if len(rows) < FEW_ROWS:
                return self._read_each(rows, line_numbers)
        half = len(rows) // 2
        return self._read_even(rows[:half], line_numbers[:half]) + self._read_even(
            rows[half:], line_numbers[half:]
        )

    def _read_each(self, rows: list[list[str]], line_numbers: Sequence[int]) -> Chunk:
        return [self._read_row(cells, at) for cells, at in zip(rows, line_numbers, strict=True) if cells]

    def _read_row(self, cells: list[str], line_number: int) -> CatalogRow | RejectedRow:
        if len(cells) != self.width:
            reason = f"the line has {len(cells)} cells where the header has {self.width}"
            return RejectedRow(line_number, reason, excerpt_of(",".join(cells)))
        values = dict(zip(FIELDS, self._pick([*cells, ""]), strict=True))
        return self._reader.read(values, line_number, ",".join(cells))

    def _settle_rows(self, rows: list[list[str]], line_numbers: Sequence[int]) -> Chunk:
        return self._settle(list(zip(*rows, strict=True)), line_numbers)

    def _settle(self, columns: Sequence[Sequence[str]], line_numbers: Sequence[int]) -> Chunk:
        columns = self._pick([*columns, ("",) * len(line_numbers)])
        variants, quantities, places, products, titles, urls, images, prices, formers, groups, *words = (
            columns
        )
        return list(
            map(
                CatalogRow,
                line_numbers,
                _identifiers(variants, least=1),
                _identifiers(places, least=0),
                _each(quantities, _quantity),
                _unless_empty(_identifiers(products, least=0)),
                _unless_empty(titles),
                _unless_empty(urls),
                _unless_empty(images),
                _each(prices, _price),
                _each(formers, _price),
                _each(groups, _collections),
                _each(words[0], lambda word: _word(word, self._truths)),
                _each(words[1], lambda word: _word(word, self._truths)),
                _each(words[2], lambda word: _word(word, self._selling)),
            )
        )


class _NotPlain(Exception):
    """A column holds a cell that only RowReader judges."""


def _each(column: Sequence[str], settle: Callable[[str], Any]) -> Iterable[Any]:
    """A column whose cells repeat, each different one settled once."""
    settled = {cell: settle(cell) for cell in set(column)}
    return map(settled.__getitem__, column)


def _identifiers(column: Sequence[str], *, least: int) -> list[str]:
    stripped = list(map(str.strip, column))
    lengths = list(map(len, stripped))
    if min(lengths) < least or max(lengths) > LONGEST_ID:
        raise _NotPlain
    return stripped


def _unless_empty(column: Iterable[str]) -> list[str | None]:
    return [cell or None for cell in column]


def _quantity(cell: str) -> str:
    if not _PLAIN_QUANTITY.fullmatch(cell):
        raise _NotPlain
    return cell


def _price(cell: str) -> str | None:
    price = settle_price(cell) if len(cell) <= LONGEST_PRICE else UNSETTLED
    if price == UNSETTLED:
        raise _NotPlain
    return price


def _collections(cell: str) -> tuple[str, ...]:
    if "[" in cell:
        raise _NotPlain
    return split_collections(cell, "") if cell else ()


def _word(cell: str, meanings: Mapping[Any, bool]) -> bool:
    if cell not in meanings:
        raise _NotPlain
    return meanings[cell]
