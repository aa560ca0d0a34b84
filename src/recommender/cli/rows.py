"""A ranking as rows: of JSON, of CSV, of a table."""

import csv
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from recommender.cli.console import shown, span

if TYPE_CHECKING:
    from recommender.ranking import Ranked

_PIPE_WIDTH = 240
_CLOSE = 0.01  # between the best and the worst score: three decimals would hide the order
_TAGS = ("artist", "title", "album")
_TIMES = ("duration_s", "start_s", "end_s")
FIELDS = ("rank", "path", "score", *_TAGS, "n_fragments", *_TIMES, "fast")


def as_row(item: "Ranked") -> dict[str, Any]:
    """Return a track's place with plain values, rounded."""
    row: dict[str, Any] = {field: getattr(item, field) for field in FIELDS}
    times = {field: row[field] for field in _TIMES if row[field] is not None}
    return row | {
        "path": str(item.path),
        "score": round(item.score, 6),
        **{field: round(time_s, 3) for field, time_s in times.items()},
    }


def as_csv(ranked: Sequence["Ranked"]) -> bytes:
    """Render a ranking as CSV; names that are not UTF-8 keep their bytes."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(as_row(item) for item in ranked)
    return text.getvalue().encode("utf-8", "surrogateescape")


def print_table(ranked: Sequence["Ranked"], file: TextIO) -> None:
    """Print a ranking as a table that is as wide as the terminal, if it is one."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    scores = [item.score for item in ranked]
    n_decimals = 6 if len(scores) > 1 and max(scores) - min(scores) < _CLOSE else 3
    table = Table(box=None, pad_edge=False)
    for column in ("#", "score"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("artist", "title", "file"):
        # Cells, not columns, are not to be wrapped: what is short of room shrinks these alone.
        table.add_column(column, overflow="ellipsis")
    if any(item.start_s is not None for item in ranked):
        table.add_column("part", no_wrap=True)
    for item in ranked:
        end_s = None
        if item.start_s is not None:  # a sheet may have its tracks end beyond the file
            end_s = min(item.end_s or math.inf, item.start_s + item.duration_s)
        texts = (item.artist or "", item.title or "", item.path.name)
        cells: list[str | Text] = [
            str(item.rank),
            f"{item.score:.{n_decimals}f}",
            *(Text(shown(text), no_wrap=True, overflow="ellipsis") for text in texts),
            span(item.start_s, end_s),
        ]
        table.add_row(*cells[: len(table.columns)])
    # A pipe or a file has no width to keep to.
    width = None if file.isatty() else _PIPE_WIDTH
    Console(file=file, markup=False, highlight=False, width=width).print(table)


def plain_table(ranked: Sequence["Ranked"]) -> str:
    """Render a ranking as a table without a terminal's colours and blanks at the ends."""
    text = io.StringIO()
    print_table(ranked, text)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())
