"""Measure this project beside every other way that is installed, on the same music, in one run.

    python benchmarks/bench_peers.py --audio MUSIC

What is not installed is reported as absent; ``pip install '.[bench]'`` brings what pip can, and
the headers of libav, KissFFT and Eigen the rest. Needs Linux. Takes some ten minutes; ``--quick``
takes seconds and shows that it runs, not how fast anything is.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peers.groups import Memory
    from peers.report import Report
    from peers.rows import Row

AUDIO_VARIABLE = "RECOMMENDER_TEST_AUDIO"
GROUPS = ("mel", "file", "decode", "scan")
_MEL_TRACKS = 3  # what they sound like makes no difference there
_ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run the command line."""
    options = _options()
    # After the options, so that these answer at once; and not in the contenders' processes, which
    # import this file too.
    from peers import report
    from recommender.errors import RecommenderError

    try:
        written = report.write(_measure(options), options.output)
    except RecommenderError as error:
        sys.exit(f"Error: {error}")
    print(written[0].read_text())
    _say(f"written: {', '.join(map(str, written))}")


def _measure(options: argparse.Namespace) -> "Report":
    from peers import groups, machine, tracks
    from peers.contenders import CONTENDERS
    from peers.report import Report

    described = machine.describe()  # before this run makes the machine busy
    cores = sorted(os.sched_getaffinity(0))
    n_tracks, rounds, copies = options.tracks, options.rounds, 4
    duration_s, shortest_s, long_s = tracks.DURATION_S, 60.0, 3600 * options.hours
    if options.quick:
        n_tracks, rounds, copies = min(2, n_tracks), 1, 1
        duration_s, shortest_s, long_s = 16, 1.0, 60
    made = tracks.make(options.audio, options.cache, n_tracks, duration_s, shortest_s)
    chosen = [c for c in CONTENDERS if any(word in c.name for word in options.only or [""])]
    mel: list[Row] = []
    files: list[Row] = []
    decode: list[Row] = []
    scan: list[Row] = []
    memory: list[Memory] = []
    bar = None
    samples = [track.samples for track in made[:_MEL_TRACKS]]
    if "mel" in options.group:
        _say("samples in memory to mel-spectrogram")
        members = [contender for contender in chosen if contender.group == "mel"]
        mel = groups.compare(members, samples, 2 * rounds, cores)
    if "file" in options.group:
        _say("file to mel-spectrogram")
        members = [contender for contender in chosen if contender.group == "file"]
        files = groups.compare(members, [track.mp3 for track in made], rounds, cores)
    if "decode" in options.group:
        _say("file to samples")
        members = [contender for contender in chosen if contender.group == "decode"]
        decode = groups.compare(members, [track.mp3 for track in made], rounds, cores)
    if "scan" in options.group:
        _say("folder to library")
        folder = tracks.folder_of(made, options.cache, copies)
        scan = groups.compare_scans(folder, copies * len(made), rounds, cores)
        bar = groups.bar_cost(folder, 2 * rounds, len(cores))
        long_file = tracks.long_file(made[0], options.cache, round(long_s))
        memory = groups.watch_memory(folder, long_file, len(cores))
    qualities = ", ".join(sorted({track.quality for track in made}))
    return Report(
        command=shlex.join(["python", "benchmarks/bench_peers.py", *_public(sys.argv[1:])]),
        input=f"{len(made)} tracks of real music, each cut or looped to {duration_s} s and"
        f" encoded as stereo MP3 (LAME: {qualities}). From samples in memory: the first"
        f" {len(samples)} of them. Memory: a file of {long_s / 3600:.2g} hours, too.",
        machine=described,
        versions=machine.versions(),
        mel=tuple(mel),
        files=tuple(files),
        decode=tuple(decode),
        scan=tuple(scan),
        memory=tuple(memory),
        bar=bar,
        goals=tuple(groups.goals(mel, files, scan, memory, bar)),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, help=f"folder of music; else ${AUDIO_VARIABLE}")
    parser.add_argument("--group", nargs="+", choices=GROUPS, default=GROUPS)
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="contenders with this in a name")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tracks", type=int, default=8)
    parser.add_argument("--hours", type=float, default=2.0, help="length of the long file")
    parser.add_argument("--quick", action="store_true", help="one round of tiny tracks")
    parser.add_argument("--cache", type=Path, default=_ROOT / "build" / "bench")
    parser.add_argument("--output", "-o", type=Path, help="folder; else docs, of a part the cache")
    options = parser.parse_args()
    if options.audio is None:
        if not os.environ.get(AUDIO_VARIABLE):
            parser.error(f"name a folder of music with --audio, or set {AUDIO_VARIABLE}")
        options.audio = Path(os.environ[AUDIO_VARIABLE])
    if options.output is None:
        part = options.quick or options.only or set(options.group) != set(GROUPS)
        options.output = options.cache if part else _ROOT / "docs"
    return options


def _public(arguments: list[str]) -> list[str]:
    """Leave out folders, which are this machine's own affair."""
    private = ("--audio", "--cache", "--output", "-o")
    return [
        word
        for before, word in zip(["", *arguments], arguments, strict=False)
        if before not in private and word.partition("=")[0] not in private
    ]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
