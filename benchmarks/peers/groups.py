"""What is run, and what it has to reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peers import commands, scans
from peers.contender import Contender
from peers.contenders import CONTENDERS
from peers.measuring import Seat, take_turns
from peers.mel import WITH_TIMBRE
from peers.rows import Row, Spread, row, spread

PARALLEL, FAST = "all cores, a job a core", "one core, one job, --fast"
_MEMORY_MB, _MEMORY_PER_JOB_MB = 150, 60


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Largest memory of a scan, summed over its processes, in MB; see `processes.memory_bytes`."""

    name: str
    jobs: int
    rss_mb: float
    pss_mb: float
    wall_s: float
    allowed_mb: int


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What a scan with a progress bar takes over what one without it does."""

    cpu_ratio: Spread
    wall_ratio: Spread


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Something to reach, and what was measured of it."""

    what: str
    goal: str
    measured: float
    reached: bool


def compare(
    contenders: Sequence[Contender], paths: Sequence[Path], rounds: int, cores: Sequence[int]
) -> list[Row]:
    """Measure contenders on one core, in turns, and then each on all cores at the same time."""
    seats = [Seat(key=contender.key, copies=((cores[0],),)) for contender in contenders]
    alone = take_turns(seats, [[path] for path in paths] * rounds)
    rows = []
    for contender, result in zip(contenders, alone, strict=True):
        team = Seat(key=contender.key, copies=tuple((core,) for core in cores))
        there = not (result.absent or result.error)
        together = take_turns([team], [[*paths] * len(cores)])[0] if there else None
        rows.append(row(contender.name, contender.note, result, alone[0], together))
    return rows


def compare_scans(folder: Path, n_tracks: int, rounds: int, cores: Sequence[int]) -> list[Row]:
    """Measure whole analyses, the first of them on one core; the others are related to it."""
    one, every = ((cores[0],),), (tuple(cores),)
    named = [
        ("one core, one job", scans.ONE_JOB, one),
        ("all cores, one job", scans.ONE_JOB, every),
        (PARALLEL, scans.ALL_JOBS, every),
        (FAST, scans.FAST, one),
    ]
    known = {contender.name: contender for contender in CONTENDERS if contender.group == "scan"}
    seats = [Seat(key=known[name].key, copies=copies) for _, name, copies in named]
    results = take_turns(seats, [[folder]] * rounds)
    return [
        row(title, known[name].note, result, results[0], n_tracks=n_tracks)
        for (title, name, _), result in zip(named, results, strict=True)
    ]


def watch_memory(folder: Path, long_file: Path, n_jobs: int) -> list[Memory]:
    """Run scans with an eye on their memory."""
    found = []
    for name, paths, jobs in (
        ("tracks", [folder], 1),
        ("tracks", [folder], n_jobs),
        ("tracks and a file of hours", [folder, long_file], n_jobs),
    ):
        run = commands.scan(paths, jobs, watch=True)
        found.append(
            Memory(
                name=name,
                jobs=jobs,
                rss_mb=run.rss_bytes / 1e6,
                pss_mb=run.pss_bytes / 1e6,
                wall_s=run.wall_s,
                allowed_mb=_MEMORY_MB + _MEMORY_PER_JOB_MB * jobs,
            )
        )
    return found


def bar_cost(folder: Path, rounds: int, n_jobs: int) -> Bar:
    """Compare scans that draw a progress bar with those that do not, in turns."""
    pairs = []
    for i in range(rounds):
        order = (False, True) if i % 2 else (True, False)
        runs = {terminal: commands.scan([folder], n_jobs, terminal=terminal) for terminal in order}
        pairs.append((runs[True], runs[False]))
    return Bar(
        cpu_ratio=spread([drawn.cpu_s / plain.cpu_s for drawn, plain in pairs]),
        wall_ratio=spread([drawn.wall_s / plain.wall_s for drawn, plain in pairs]),
    )


def goals(
    mel: Sequence[Row],
    files: Sequence[Row],
    scan: Sequence[Row],
    memory: Sequence[Memory],
    bar: Bar | None,
) -> list[Goal]:
    """Hold what was measured against what this project wants to reach."""
    found = []
    for name, factor in (
        ("librosa", 10),
        ("SciPy FFT + matrix", 4),
        ("torch.stft + matrix", 8),
        ("KissFFT, a frame at a time", 40),
        ("Eigen FFT, a frame at a time", 40),
    ):
        if ratio := _ratio(mel, name):
            found.append(_at_least(f"mel: CPU time of {name} over this project's", ratio, factor))
    pyav = [ratio for row in files if "PyAV" in row.name and (ratio := _ratio(files, row.name))]
    if pyav:
        what = "file: CPU time over that of PyAV's decoding alone, the faster way"
        found.append(_at_most(what, 1 / min(pyav), 1.1))
    if ratio := _ratio(files, "libavcodec in C, decoding only"):
        what = "file: CPU time over that of libavcodec's decoding alone, in C"
        found.append(_at_most(what, 1 / ratio, 1.25))
    found += [
        _at_least(f"file: tracks a second over those of {name}", ratio, 2)
        for name in ("bliss-audio", "Essentia", "librosa")
        if (ratio := _ratio(files, name, wall=True))
    ]
    decoding = next((r.cpu_ms for r in files if r.name == "this project, decoding only"), None)
    everything = next((r.cpu_ms for r in mel if r.name == WITH_TIMBRE), None)
    if decoding and everything:
        what = "both resolutions and timbre: CPU time over that of decoding"
        found.append(_at_most(what, everything.median / decoding.median, 0.15))
    if ratio := _ratio(scan, PARALLEL, wall=True):
        what = "analysis: tracks a second on all cores over those on one"
        found.append(_at_least(what, 1 / ratio, 1.9))
    if ratio := _ratio(scan, FAST):
        found.append(_at_most("analysis: CPU time with --fast over that without", ratio, 0.45))
    found += [
        _at_most(f"memory (PSS) in MB: {m.name}, jobs: {m.jobs}", m.pss_mb, m.allowed_mb)
        for m in memory
    ]
    if bar:
        what = "analysis: wall time with a progress bar over that without"
        found.append(_at_most(what, bar.wall_ratio.median, 1.02))
    return found


def _ratio(rows: Sequence[Row], name: str, *, wall: bool = False) -> float | None:
    for one in rows:
        if one.name == name and (ratio := one.wall_ratio if wall else one.cpu_ratio):
            return ratio.median
    return None


def _at_least(what: str, measured: float, goal: float) -> Goal:
    return Goal(what=what, goal=f"≥ {goal:g}", measured=measured, reached=measured >= goal)


def _at_most(what: str, measured: float, goal: float) -> Goal:
    return Goal(what=what, goal=f"≤ {goal:g}", measured=measured, reached=measured <= goal)
