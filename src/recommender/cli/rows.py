"""A ranking as rows: of JSON, of CSV, of a table; printed or written."""

import csv
import io
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from recommender.cli.console import answer_json, counted, say, shown, span

if TYPE_CHECKING:
    from recommender.ranking import Ranked

Format = Literal["table", "json", "csv", "m3u8", "xspf"]

_TABLE_ROWS = 20
_PIPE_WIDTH = 240
_CLOSE = 0.01  # between the best and the worst score: three decimals would hide the order
_TAGS = ("artist", "title", "album")
_TIMES = ("duration_s", "start_s", "end_s")
FIELDS = ("rank", "path", "score", *_TAGS, "n_fragments", *_TIMES, "fast", "duplicates")


def as_row(item: "Ranked") -> dict[str, Any]:
    """Return a track's place with plain values, rounded."""
    row: dict[str, Any] = {field: getattr(item, field) for field in FIELDS}
    times = {field: row[field] for field in _TIMES if row[field] is not None}
    return row | {
        "path": str(item.path),
        "score": round(item.score, 6),
        **{field: round(time_s, 3) for field, time_s in times.items()},
        "duplicates": [str(path) for path in item.duplicates],
    }


def as_csv(ranked: Sequence["Ranked"]) -> bytes:
    """Render a ranking as CSV; names that are not UTF-8 keep their bytes.

    Duplicates are a list as JSON has it, in which such bytes are escapes.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    rows = (as_row(item) for item in ranked)
    writer.writerows(row | {"duplicates": json.dumps(row["duplicates"])} for row in rows)
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
    if has_parts := any(item.start_s is not None for item in ranked):
        table.add_column("part", no_wrap=True)
    if has_duplicates := any(item.duplicates for item in ranked):
        table.add_column("also in", no_wrap=True)
    for item in ranked:
        end_s = None
        if item.start_s is not None:  # a sheet may have its tracks end beyond the file
            end_s = min(item.end_s or math.inf, item.start_s + item.duration_s)
        texts = (item.artist or "", item.title or "", item.path.name)
        cells: list[str | Text] = [
            str(item.rank),
            f"{item.score:.{n_decimals}f}",
            *(Text(shown(text), no_wrap=True, overflow="ellipsis") for text in texts),
        ]
        if has_parts:
            cells.append(span(item.start_s, end_s))
        if has_duplicates:
            cells.append(counted(len(item.duplicates), "file") if item.duplicates else "")
        table.add_row(*cells)
    # A pipe or a file has no width to keep to.
    width = None if file.isatty() else _PIPE_WIDTH
    Console(file=file, markup=False, highlight=False, width=width).print(table)


def plain_table(ranked: Sequence["Ranked"]) -> str:
    """Render a ranking as a table without a terminal's colours and blanks at the ends."""
    text = io.StringIO()
    print_table(ranked, text)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def format_of(named: Format | None, output: Path | None, *, as_json: bool) -> Format:
    """Return the format that is meant: as it is named, or as the suffix says.

    Raises
    ------
    ParameterError
    """
    from recommender.errors import ParameterError

    if as_json:
        if named not in (None, "json"):
            raise ParameterError(f"--json and --format {named} exclude each other")
        return "json"
    suffix = output.suffix.lower().lstrip(".") if output else ""
    by_suffix: dict[str, Format] = {
        "json": "json",
        "csv": "csv",
        "m3u8": "m3u8",
        "m3u": "m3u8",
        "xspf": "xspf",
    }
    if named is not None:
        return named
    if output is not None and suffix not in by_suffix:
        raise ParameterError(
            f"{output}: name a --format, or end the name in {', '.join(by_suffix)}"
        )
    return by_suffix.get(suffix, "table")


def write(
    ranked: Sequence["Ranked"], chosen: Format, output: Path | None, *, title: str, all_rows: bool
) -> None:
    """Print a ranking, or write it to a file and say so.

    Raises
    ------
    PlaylistError
        If the file cannot be written.
    """
    from recommender import playlist
    from recommender.errors import PlaylistError
    from recommender.files import write_atomically

    if chosen in ("m3u8", "xspf"):
        playlist.write(output or sys.stdout.buffer, ranked, format=chosen, title=title)
    elif output is None and chosen == "json":
        answer_json([as_row(item) for item in ranked])
    elif output is None and chosen == "csv":
        sys.stdout.buffer.write(as_csv(ranked))
    elif output is None:
        print_table(ranked if all_rows else ranked[:_TABLE_ROWS], sys.stdout)
        if not all_rows and len(ranked) > _TABLE_ROWS:
            say(f"… and {len(ranked) - _TABLE_ROWS} more: --top, --share or --min-score choose")
    else:
        contents = {
            "json": lambda: json.dumps([as_row(item) for item in ranked], indent=2).encode(),
            "csv": lambda: as_csv(ranked),
            "table": lambda: plain_table(ranked).encode(),
        }
        try:
            write_atomically(output, contents[chosen]())
        except OSError as error:
            raise PlaylistError(f"{output}: cannot be written ({error.strerror})") from None
    if output is not None:
        say(f"{counted(len(ranked), 'track')} written to {shown(output)}")
