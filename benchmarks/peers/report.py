"""What was measured, as Markdown and JSON."""

import dataclasses
import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peers.chart import draw
from peers.groups import Bar, Goal, Memory
from peers.rows import Row, Spread


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that was measured in a run; what was not run is empty.

    Attributes
    ----------
    command : str
    input : str
        What the tracks are, in words.
    machine, versions : dict of str
    mel, files, decode, scan : tuple of Row
    memory : tuple of Memory
    bar : Bar or None
    goals : tuple of Goal
    """

    command: str
    input: str
    machine: dict[str, str]
    versions: dict[str, str]
    mel: tuple[Row, ...] = ()
    files: tuple[Row, ...] = ()
    decode: tuple[Row, ...] = ()
    scan: tuple[Row, ...] = ()
    memory: tuple[Memory, ...] = ()
    bar: Bar | None = None
    goals: tuple[Goal, ...] = ()


def write(report: Report, folder: Path) -> list[Path]:
    """Write benchmarks.md, .json and, where contenders were compared, .png; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"benchmarks.{suffix}" for suffix in ("md", "json", "png")]
    paths[0].write_text(markdown(report))
    paths[1].write_text(json.dumps(dataclasses.asdict(report), indent=1, ensure_ascii=False) + "\n")
    if not (report.mel or report.files):
        return paths[:2]
    draw(report.mel, report.files, paths[2])
    return paths


def markdown(report: Report) -> str:
    """All of a report as text."""
    today = datetime.datetime.now(datetime.UTC).date()
    lines = [
        "# Beside other ways of doing the same",
        "",
        f"Made by `{report.command}` on {today}; figures for scripts are in",
        "[benchmarks.json](benchmarks.json). All contenders ran in this one run and took turns,"
        " each in a process of its own with one thread, pinned to one core where nothing else is"
        " said. CPU time counts all processes that a contender used. Given are medians, quartiles"
        " in brackets; *over ours* is the median of ratios within the same turn. *Tracks/s, all"
        " cores* is a copy on each core, at the same time.",
        "",
        f"Input: {report.input}",
        "",
    ]
    if report.mel or report.files:
        lines += ["![CPU time of a track, by contender](benchmarks.png)", ""]
    if report.mel:
        lines += [
            "## Samples in memory to mel-spectrogram",
            "",
            "Mono, 32-bit floats at 44.1 kHz; frames of 5,512 samples, 5,512 apart, Hann window,"
            " 128 bands up to 11,024 Hz where a note does not say otherwise. This project's own"
            " figure includes decibels and the scaling of fragments.",
            "",
            *_table(report.mel),
        ]
    if report.files:
        lines += ["## File to mel-spectrogram", "", *_table(report.files)]
    if report.decode:
        lines += [
            "## File to samples",
            "",
            "Ways of decoding that this project could take; all give the same 16-bit mono samples.",
            "",
            *_table(report.decode),
        ]
    if report.scan:
        lines += [
            "## Folder to library",
            "",
            "The whole analysis: identity, tags, decoding, spectrogram, features, database.",
            "",
            *_table(report.scan, per_second_by_wall=True),
        ]
    if report.memory:
        lines += [
            "Memory of `recommender library scan`, the largest sum over its processes that was"
            " seen, in MB: RSS counts shared pages once for each process, PSS once.",
            "",
            "| input | jobs | RSS | PSS | wall s |",
            "|---|---:|---:|---:|---:|",
            *(
                f"| {m.name} | {m.jobs} | {m.rss_mb:.0f} | {m.pss_mb:.0f} | {m.wall_s:.1f} |"
                for m in report.memory
            ),
            "",
        ]
    if report.bar:
        lines += [
            "With a progress bar on a terminal over without one: wall time"
            f" {_spread(report.bar.wall_ratio, 3)}, CPU time {_spread(report.bar.cpu_ratio, 3)}.",
            "",
        ]
    if report.goals:
        lines += [
            "## What this project wants to reach",
            "",
            "| | goal | measured | |",
            "|---|---:|---:|---|",
            *(
                f"| {g.what} | {g.goal} | {_number(g.measured)} | {'' if g.reached else 'missed'} |"
                for g in report.goals
            ),
            "",
        ]
    lines += ["## Machine and versions", "", *_pairs(report.machine), "", *_pairs(report.versions)]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Row], *, per_second_by_wall: bool = False) -> list[str]:
    """Fastest first, by CPU time; what is absent or failed last."""
    lines = [
        "| | CPU ms | over ours | wall ms | tracks/s, all cores | |",
        "|---|---:|---:|---:|---:|---|",
    ]
    if per_second_by_wall:
        lines[0] = "| | CPU ms | over the first | wall ms | tracks/s | |"
    for row in rows if per_second_by_wall else sorted(rows, key=_order):
        if row.cpu_ms is None or row.wall_ms is None:
            lines.append(f"| {row.name} | | | | | {row.why_not} |")
            continue
        per_s = 1e3 / row.wall_ms.median if per_second_by_wall else row.per_s
        cells = [
            f"**{row.name}**" if row.name == "this project" else row.name,
            _spread(row.cpu_ms),
            _number(row.cpu_ratio.median) if row.cpu_ratio else "",
            _spread(row.wall_ms),
            _number(per_s) if per_s else "",
            row.note,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _order(row: Row) -> float:
    return row.cpu_ms.median if row.cpu_ms else float("inf")


def _spread(spread: Spread, digits: int | None = None) -> str:
    q1, median, q3 = (
        _number(value) if digits is None else f"{value:.{digits}f}"
        for value in (spread.q1, spread.median, spread.q3)
    )
    return f"{median} ({q1} … {q3})"


def _number(value: float) -> str:
    """Three significant digits, at most two of them behind the point."""
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def _pairs(pairs: dict[str, str]) -> list[str]:
    return [f"- {name}: {value}" for name, value in pairs.items()]
