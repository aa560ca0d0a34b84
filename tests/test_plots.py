import math
import struct
import zlib
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from recommender import plots
from recommender.errors import ParameterError
from recommender.parameters import SPECTROGRAMS, SpectrogramParams

PARAMS = SpectrogramParams()
TICKS_HZ = (100, 250, 500, 1000, 2000, 4000, 8000, 16_000)


def fragments(n: int) -> NDArray[np.float32]:
    return np.random.default_rng(n).uniform(-1, 1, (n, 64, 128)).astype(np.float32)


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height, from the header; every part's checksum is checked."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        (crc,) = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(png[at + 4 : at + 8 + length])
        at += 12 + length
    assert png[-8:-4] == b"IEND"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.parametrize(("n", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 3, 1), (5, 3, 2)])
def test_a_picture_grows_with_its_fragments(
    tmp_path: Path, n: int, columns: int, rows: int
) -> None:
    path = tmp_path / "a.png"
    plots.save_fragments(path, fragments(n), [str(i) for i in range(n)], PARAMS)
    assert size_of(path.read_bytes()) == (round((4.2 * columns + 0.8) * 110), 330 * rows)


def test_a_picture_shows_the_fragment(tmp_path: Path) -> None:
    """Two halves: quiet and low, loud and high; the colours say which is where."""
    x = np.full((1, 64, 128), -1, np.float32)
    x[0, 32:, 64:] = 1
    plots.save_fragments(tmp_path / "a.png", x, ["title"], PARAMS)
    brightness = matplotlib.image.imread(tmp_path / "a.png")[..., :3].mean(axis=2)
    height, width = brightness.shape
    assert np.unique(brightness).size > 20  # axes, text and a bar of colours
    middle_x, middle_y = round(0.45 * width), round(0.45 * height)
    patch = 12
    late_high = brightness[middle_y - 60 : middle_y - 60 + patch, middle_x + 60 :][:, :patch]
    early_low = brightness[middle_y + 40 : middle_y + 40 + patch, middle_x - 90 :][:, :patch]
    assert np.ptp(late_high) == np.ptp(early_low) == 0
    assert late_high.mean() > 0.8  # the map's brightest
    assert early_low.mean() < 0.1  # and its darkest


def figure_of(
    monkeypatch: pytest.MonkeyPatch, params: SpectrogramParams, titles: list[str]
) -> Figure:
    saved: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: saved.append(figure))
    x = np.zeros((len(titles), params.n_frames, params.n_mels), np.float32)
    plots.save_fragments(Path("unused.png"), x, titles, params)
    (figure,) = saved
    return figure


@pytest.mark.parametrize("name", ["thesis", "listing", "default"])
def test_ticks_stand_at_their_bands(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    params = SPECTROGRAMS[name]
    axis = figure_of(monkeypatch, params, ["a"]).axes[0]
    texts = [label.get_text() for label in axis.get_yticklabels()]
    # The bands' centres by the formula of the method: even steps from 0 Hz, on the mel scale.
    top = 1127.01048 * math.log(1 + params.fmax / 700)
    step = top / 129 if params.mel == "described" else top / 256
    centres_hz = [700 * (math.exp(step * (b + 1) / 1127.01048) - 1) for b in range(128)]
    assert texts == [f"{hz:,}" for hz in TICKS_HZ if centres_hz[0] <= hz <= centres_hz[-1]]
    assert len(texts) >= 5
    for text, band in zip(texts, axis.get_yticks(), strict=True):
        below = math.floor(band)
        assert centres_hz[below] <= float(text.replace(",", "")) <= centres_hz[below + 1]


def test_the_time_axis_is_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    axis = figure_of(monkeypatch, PARAMS, ["a"]).axes[0]
    assert axis.get_xlim() == (0.0, 8.0)
    assert axis.get_xlabel() == "time (s)"
    assert axis.get_ylabel() == "frequency (Hz)"


def test_colours_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    linear = figure_of(monkeypatch, SPECTROGRAMS["thesis"], ["a"]).axes[-1]
    assert linear.get_ylabel() == "share of the maximum"
    ticks = zip(linear.get_yticks(), linear.get_yticklabels(), strict=True)
    assert {v: t.get_text() for v, t in ticks} == {
        -1: "0",
        -0.5: "0.25",
        0: "0.5",
        0.5: "0.75",
        1: "1",
    }
    log = figure_of(monkeypatch, SPECTROGRAMS["default"], ["a"]).axes[-1]
    assert log.get_ylabel() == "level (dB, 0 is the maximum)"
    ticks = zip(log.get_yticks(), log.get_yticklabels(), strict=True)
    assert {v: t.get_text() for v, t in ticks} == {
        1: "0",
        0.5: "-20",
        0: "-40",
        -0.5: "-60",
        -1: "-80",
    }


@pytest.mark.parametrize("title", ["$x_{1$", "音楽 №1", "a\\b %s", "x" * 300, ""])
def test_any_title_can_be_drawn(tmp_path: Path, title: str) -> None:
    plots.save_fragments(tmp_path / "a.png", fragments(1), [title], PARAMS)
    assert size_of((tmp_path / "a.png").read_bytes())


@pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_other_formats(tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    plots.save_fragments(path, fragments(1), ["a"], PARAMS)
    assert path.read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["a.xyz", "a", "a.bin"])
def test_formats_that_are_no_picture(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParameterError, match=r"is called \.png, \.svg or \.pdf"):
        plots.save_fragments(tmp_path / name, fragments(1), ["a"], PARAMS)
    assert not (tmp_path / name).exists()
