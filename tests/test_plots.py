import base64
import io
import math
import re
import struct
import zlib
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import matplotlib
import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

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


def drawn_svg(figure: Figure, name: str = "a") -> ElementTree.Element:
    return ElementTree.fromstring(plots.inline(figure, name, "label"))


def pixels(svg: ElementTree.Element) -> list[NDArray[np.uint8]]:
    """Pictures within a figure, as they are seen; that of a bar of colours is the last."""
    found = []
    for image in svg.iter("image"):
        kind, _, content = image.get("href", "").partition(",")
        assert kind == "data:image/png;base64"
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGBA"))
        numbers = re.findall(r"[-\d.]+", image.get("transform", ""))
        upside_down = len(numbers) == 6 and float(numbers[3]) < 0
        found.append(picture[::-1] if upside_down else picture)
    return found


def texts(svg: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in svg.iter("text")]


def test_curves_are_the_numbers() -> None:
    figure = plots.learning_curve("loss", [3.0, 2.0, 1.5], [None, 2.5, 2.25], best=2)
    (axis,) = figure.axes
    training, validation = (np.asarray(line.get_xydata()) for line in axis.lines[:2])
    np.testing.assert_array_equal(training, [[1, 3], [2, 2], [3, 1.5]])
    np.testing.assert_array_equal(validation, [[1, np.nan], [2, 2.5], [3, 2.25]])
    assert axis.get_ylabel() == "loss"
    assert {"training", "validation", "epoch 2 kept"} <= set(texts(drawn_svg(figure)))


@pytest.mark.parametrize("n", [0, 1, 500, 501, 20_000])
def test_curves_of_any_length(n: int) -> None:
    figure = plots.learning_curve("loss", list(np.arange(n, dtype=float)), [None] * n)
    lines = [np.asarray(line.get_xydata()) for line in figure.axes[0].lines]
    assert len(lines) == (n > 0)
    for line in lines:
        assert len(line) <= 500
        np.testing.assert_array_equal(line[:, 0], line[:, 1] + 1)
    assert len(plots.inline(figure, "a", "label")) < 60_000


MATRIX = np.array([[8, 2, 0], [1, 3, 0], [0, 0, 0]])


def test_confusion_is_the_matrix() -> None:
    figure = plots.confusion(MATRIX, ["jazz", "rock", "folk"])
    axis = figure.axes[0]
    shares = np.asarray(axis.images[0].get_array())
    np.testing.assert_allclose(shares, np.array([[0.8, 0.2, 0], [0.25, 0.75, 0], [0, 0, 0]]))
    shown = texts(drawn_svg(figure))
    assert [text for text in shown if text.isdigit()] == ["8", "2", "1", "3"]
    assert {"80%", "75%", "none", "recall", "true", "predicted"} <= set(shown)
    assert shown.count("jazz") == shown.count("folk") == 2


def test_shares_of_chosen_genres_are_those_of_all() -> None:
    figure = plots.confusion(MATRIX, ["jazz", "rock", "folk"], chosen=[1])
    assert np.asarray(figure.axes[0].images[0].get_array()).tolist() == [[0.75]]
    assert {"75%", "rock"} <= set(texts(drawn_svg(figure)))


def test_shares_over_time_are_the_numbers() -> None:
    shares = np.array([[0.1, 0.6, 0.3], [0.3, 0.5, 0.2], [0.1, 0.9, 0.0]])
    times_s = np.array([0.0, 3.0, 6.0])
    figure = plots.shares_over_time(times_s, shares, ["a", "b", "c"], duration_s=3.0)
    assert [axis.get_ylabel() for axis in figure.axes] == ["b", "a", "c"]  # .667, .167, .167
    for axis, column in zip(figure.axes, (1, 0, 2), strict=True):
        values, edges, _ = axis.patches[0].get_data()  # type: ignore[attr-defined]
        np.testing.assert_allclose(values, shares[:, column])
        np.testing.assert_allclose(edges, [0, 3, 6, 9])


def test_long_tracks_are_shown_by_means() -> None:
    n = 1201
    first = np.arange(n) / n
    shares = np.stack([first, 1 - first], axis=1)
    figure = plots.shares_over_time(
        3 * np.arange(n, dtype=np.float64), shares, ["a", "b"], duration_s=3.0
    )
    label = figure.axes[-1].get_xlabel()
    values, edges, _ = figure.axes[1].patches[0].get_data()  # type: ignore[attr-defined]
    assert label == "time (min)"
    assert edges[-1] == pytest.approx(n * 3 / 60)
    steps = [first[i : i + 6].mean() for i in range(0, n, 6)]
    np.testing.assert_allclose(values, steps, rtol=1e-12)


def test_a_prediction_has_bars_and_times(tmp_path: Path) -> None:
    shares = np.array([[0.25, 0.75], [0.5, 0.5]])
    times_s = np.array([0.0, 3.0])
    figure = plots.prediction("a.mp3", times_s, shares, ["x", "y"], duration_s=3.0)
    widths = [axis.patches[0].get_width() for axis in figure.axes[0::2]]  # type: ignore[attr-defined]
    assert widths == [0.625, 0.375]
    shown = texts(drawn_svg(figure))
    assert {"a.mp3", "x", "y", "62%", "38%"} <= set(shown)
    plots.save(figure, tmp_path / "a.png")
    assert size_of((tmp_path / "a.png").read_bytes())[0] == 1260


def test_a_piece_shows_every_value() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (20, 128)).astype(np.float32)
    figure = plots.piece(x, "mel", SPECTROGRAMS["default"])
    (picture,) = pixels(drawn_svg(figure))
    # 64 even steps of the map, from -1 to 1; low bands are at the bottom.
    steps = np.minimum((np.float64(x.T[::-1]) + 1) * 32, 63).astype(int)
    colours = np.round(matplotlib.colormaps["magma"].resampled(64)(np.arange(64)) * 255)
    np.testing.assert_allclose(picture, colours[steps], atol=1)  # rounding of colours
    axis = figure.axes[0]
    assert axis.get_xlim() == (0, 20 * 0.125)
    assert axis.get_ylabel() == "frequency (Hz)"
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "250",
        "1,000",
        "4,000",
        "8,000",
    ]


@pytest.mark.parametrize(
    ("kind", "params", "labels"),
    [
        ("mel", None, ("frame", "band")),
        ("mfcc", SPECTROGRAMS["default"], ("time (s)", "coefficient")),
        ("embeddings", SPECTROGRAMS["default"], ("patch", "number")),
    ],
)
def test_other_inputs(
    kind: Literal["mel", "mfcc", "embeddings"],
    params: SpectrogramParams | None,
    labels: tuple[str, str],
) -> None:
    for x in (np.zeros((1, 1)), np.random.default_rng(0).standard_normal((1292, 20))):
        figure = plots.piece(x.astype(np.float32), kind, params)
        axis = figure.axes[0]
        assert (axis.get_xlabel(), axis.get_ylabel()) == labels
        (picture,) = pixels(drawn_svg(figure))
        assert picture.shape[0] == x.shape[1]
        assert picture.shape[1] <= 320


def test_mfcc_are_shown_by_deviations() -> None:
    """Two coefficients of other sizes, and one that never moves: what moves alike looks alike."""
    wave = np.tile([1.0, -1.0], 8)
    x = np.stack([1e-2 * wave, 100 * wave + 50, np.full(16, 7.0)], axis=1)
    (picture,) = pixels(drawn_svg(plots.piece(x.astype(np.float32), "mfcc")))
    still, large, small = picture[..., :3].sum(axis=2, dtype=int)
    np.testing.assert_array_equal(large, small)
    assert large[0] > still[0] > large[1]
    assert np.ptp(still) == 0


def test_kernels_stand_in_order() -> None:
    """Each has one weight, which is where it is drawn; strips are parted by an empty column."""
    weights = np.zeros((3, 8, 2), np.float32)
    weights[0, 6, 1] = weights[1, 1, 0] = 1
    weights[2, 3, 0] = -1
    np.testing.assert_array_equal(plots.kernel_order(weights), [1, 2, 0])
    (picture, _) = pixels(drawn_svg(plots.kernels(weights, "band")))
    assert picture.shape == (8, 8, 4)
    np.testing.assert_array_equal(picture[:, [2, 5], 3], 0)
    high, zero, low = picture[7 - 1, 0], picture[0, 0], picture[7 - 3, 3]
    np.testing.assert_array_equal(picture[7 - 6, 7], high)
    assert high[:3].sum() > zero[:3].sum() > low[:3].sum()
    rest = np.ones((8, 8), bool)
    rest[[6, 4, 1], [0, 3, 7]] = rest[:, [2, 5]] = False
    assert (picture[rest] == zero).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (65, 128, 4), (300, 4, 1)])
def test_kernels_of_any_number(shape: tuple[int, int, int]) -> None:
    weights = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    figure = plots.kernels(weights, "band", PARAMS if shape[1] == 128 else None)
    svg = drawn_svg(figure)
    n_strips = sum((picture.shape[1] + 1) // (shape[2] + 1) for picture in pixels(svg)[:-1])
    assert min(shape[0], 256) <= n_strips <= min(shape[0], 256) + 3  # the last row may have gaps
    counted = "256 of 300" if shape[0] == 300 else f"{shape[0]}"
    assert f"{counted} kernels, {shape[2]} steps of time each" in texts(svg)


def test_areas_on_a_map_are_the_hits() -> None:
    counts = np.zeros((2, 3, 2), np.int64)
    counts[0, 0] = 3, 1
    counts[1, 2] = 0, 16
    hits = plots.som_hits(counts.sum(axis=2))
    corners = np.stack(hits.axes[0].patches[0].get_path().to_polygons())[:, :4]
    assert corners.shape == (2, 4, 2)
    np.testing.assert_allclose(np.ptp(corners, axis=1), np.array([[0.5, 0.5], [1, 1]]), rtol=1e-12)
    np.testing.assert_allclose(corners.mean(axis=1), np.array([[0, 0], [2, 1]]), atol=1e-12)
    assert {"4", "16"} <= set(texts(drawn_svg(hits)))
    by_genre = plots.som_genres(counts, ["jazz", "rock"])
    assert [axis.get_title() for axis in by_genre.axes] == ["jazz", "rock"]
    assert [len(axis.patches[0].get_path().to_polygons()) for axis in by_genre.axes] == [1, 2]


def test_a_figure_takes_the_pages_colours() -> None:
    svg = plots.inline(plots.learning_curve("loss", [2, 1], [2, 2]), "a", 'its "label" & <b>')
    for colour in ("#1d2125", "#5a626a", "#d5d9de", "#0072b2", "#b84a00", "#000000"):
        assert colour not in svg
    for ours in ("currentColor", "var(--muted)", "var(--line)", "var(--first)", "var(--second)"):
        assert ours in svg
    assert "var(--sans)" in svg
    assert "DejaVu" not in svg
    assert "<style" not in svg
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == 'its "label" & <b>'
    assert root.get("role") == "img"


def test_figures_share_no_ids() -> None:
    ids: list[str] = []
    for name in ("a", "b"):
        svg = drawn_svg(plots.learning_curve("loss", [2, 1], [2, 2]), name)
        own = [element.get("id") for element in svg.iter() if element.get("id")]
        ids += [text for text in own if text]
        links = [element.get("href", "") for element in svg.iter("use")]
        clips = [element.get("clip-path", "") for element in svg.iter() if element.get("clip-path")]
        assert {link[1:] for link in links} | {clip[5:-1] for clip in clips} <= set(own)
        assert links
        assert clips
    assert len(set(ids)) == len(ids)


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x>',
    "{{ 7 }}",
    "$x_{1$",
    "音楽",
    "\udcff\x00\x1b",
    "",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_genre_can_be_drawn(tmp_path: Path, name: str) -> None:
    shares = np.full((2, 1), 1.0)
    times_s = np.arange(2.0)
    figures = [
        plots.confusion(np.ones((1, 1), np.int64), [name]),
        plots.prediction(name, times_s, shares, [name], duration_s=1.0),
        plots.shares_over_time(times_s, shares, [name], duration_s=1.0),
        plots.som_genres(np.ones((1, 1, 1), np.int64), [name]),
    ]
    for figure in figures:
        svg = drawn_svg(figure)
        assert not {element.tag for element in svg.iter()} & {"script", "img"}
        if name in HOSTILE[:5] and len(name) <= 24:
            assert name in texts(svg)
        plots.save(figure, tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_saved_figures_are_the_same_each_time(tmp_path: Path, suffix: str) -> None:
    def figure() -> Figure:
        return plots.confusion(MATRIX, ["jazz", "rock", "folk"])

    for name in "ab":
        plots.save(figure(), tmp_path / f"{name}{suffix}")
    first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
    assert first == second
    assert plots.inline(figure(), "a", "b") == plots.inline(figure(), "a", "b")


def test_figures_are_not_saved_as_anything(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"is called \.png, \.svg or \.pdf"):
        plots.save(Figure(), tmp_path / "a.html")
