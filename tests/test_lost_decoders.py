"""A decoder that crashes, is killed or hangs costs a scan one file, and changes no other."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import commands
import sounds
from recommender import audio
from recommender.analysis import scan
from recommender.audio import libav, program, supervision
from recommender.library import Library
from test_analysis import BandMeans, figures, state

DECODERS: tuple[audio.Decoder, ...] = ("libav", "ffmpeg")
ENDINGS = {
    "SIGSEGV": "was ended by SIGSEGV",
    "SIGKILL": "was ended by SIGKILL",
    "SIGSTOP": "gave nothing for 1 s",
}
N_FILES = 5
VICTIM = "2.mp3"
BLOCK = "bytes(2 * 352_800)"

# What stands in for each decoder is the decoder itself, but for one file and pass.
WORKER = """
import importlib.util, os, signal
spec = importlib.util.spec_from_file_location("worker", {real!r})
worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worker)
answer = worker.answer
def misbehave(request):
    if request["path"].endswith("/{victim}") and request["what"] == {what!r}:
        if request["what"] == "blocks":
            worker.send(b"B", {block})
        os.kill(os.getpid(), signal.{ending})
    answer(request)
worker.answer = misbehave
worker.main()
"""
PROGRAM = """#!{python} -IS
import os, signal, sys
if any(word.endswith("/{victim}") for word in sys.argv) and ("hash" in sys.argv) == {hashing}:
    if not {hashing}:
        os.write(1, {block})
    os.kill(os.getpid(), signal.{ending})
os.execv({real!r}, [{real!r}, *sys.argv[1:]])
"""


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for n in range(N_FILES):
        sounds.tone(folder / f"{n}.mp3", 17, hz=200 + 300 * n)
    return folder


State = dict[Path, tuple[str, float, bytes]]


@pytest.fixture(scope="module")
def undisturbed(music: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, State]:
    """What the library holds if nothing happens, by decoder."""
    found: dict[str, State] = {}
    for decoder in DECODERS:
        with (
            pytest.MonkeyPatch.context() as patch,
            Library.open(tmp_path_factory.mktemp("home") / "library.db") as library,
        ):
            if decoder == "ffmpeg":
                patch.setattr(libav, "is_available", lambda: False)
            scan(library, [music], BandMeans(), jobs=2)
            found[decoder] = state(library)
    return found


@pytest.fixture
def no_workers() -> Iterator[None]:
    """Workers that are there are ended before, and those of the test after it."""
    audio.check_decoder()
    libav._end_workers()
    yield
    libav._end_workers()


def spoil(
    folder: Path, decoder: audio.Decoder, what: str, ending: str, patch: pytest.MonkeyPatch
) -> None:
    """Have all decode with a decoder that comes to an end with the victim."""
    patch.setattr(supervision, "STALL_S", 1.2)  # a busy machine has to start workers within it
    path = folder / "decoder"
    if decoder == "libav":
        real = str(libav._WORKER)
        path.write_text(
            WORKER.format(real=real, victim=VICTIM, what=what, ending=ending, block=BLOCK)
        )
        patch.setattr(libav, "_WORKER", path)
        return
    path.write_text(
        PROGRAM.format(
            python=sys.executable,
            real=audio.ffmpeg_exe(),
            victim=VICTIM,
            hashing=what == "hash",
            ending=ending,
            block=BLOCK,
        )
    )
    path.chmod(0o755)
    patch.setattr(program, "ffmpeg_exe", lambda: str(path))
    patch.setattr(libav, "is_available", lambda: False)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks into /proc")
@pytest.mark.usefixtures("no_workers")
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("what", ["hash", "blocks"])
@pytest.mark.parametrize("decoder", DECODERS)
def test_a_lost_decoder_costs_a_scan_one_file(
    tmp_path: Path,
    music: Path,
    undisturbed: dict[str, State],
    monkeypatch: pytest.MonkeyPatch,
    decoder: audio.Decoder,
    what: str,
    ending: str,
) -> None:
    victim = music / VICTIM
    with Library.open(tmp_path / "library.db") as library:
        before = open_files()
        with monkeypatch.context() as patch:
            spoil(tmp_path, decoder, what, ending, patch)
            report = scan(library, [music], BandMeans(), jobs=2)
        libav._end_workers()
        assert open_files() == before
        assert figures(report) == (N_FILES, 0, 0, N_FILES - 1)
        ((path, reason),) = report.failures
        assert path == victim
        assert reason.startswith(f"the decoder {ENDINGS[ending]}")
        assert [(f.path, f.reason) for f in library.failures()] == [(victim, reason)]
        others = {path: s for path, s in undisturbed[decoder].items() if path != victim}
        assert state(library) == others

        if decoder == "ffmpeg":
            monkeypatch.setattr(libav, "is_available", lambda: False)
        again = scan(library, [music], BandMeans(), jobs=2, retry_failed=True)
        assert (figures(again), again.failures) == ((N_FILES, N_FILES - 1, 0, 1), ())
        assert state(library) == undisturbed[decoder]


@pytest.mark.usefixtures("home", "no_workers")
@pytest.mark.parametrize("decoder", DECODERS)
def test_the_command_tells_which_file_was_lost(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch, decoder: audio.Decoder
) -> None:
    with monkeypatch.context() as patch:
        spoil(tmp_path, decoder, "blocks", "SIGSEGV", patch)
        answer = commands.call("library", "scan", music, "--jobs", 2)
    libav._end_workers()
    assert answer.code == 1
    assert f"{N_FILES} files: {N_FILES - 1} analysed, 0 known already, 1 could not" in answer.err
    assert f"{VICTIM}: the decoder was ended by SIGSEGV" in answer.err
    (failure,) = commands.call("library", "errors", "--json").json["failures"]
    assert failure["path"] == str(music / VICTIM)
    assert commands.call("library", "scan", music, "--retry").code == 0
