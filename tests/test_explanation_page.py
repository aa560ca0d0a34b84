"""The picture and the page of an explanation; the page is read back as a browser would."""

import dataclasses
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from recommender import plots, reports
from recommender.library import Track
from recommender.parameters import SPECTROGRAMS
from recommender.ranking.explaining import Explanation, Without
from recommender.ranking.neighbours import Alike, Neighbour
from recommender.ranking.telling import changes
from test_explaining import a_hash, a_track, an_explanation
from test_plots import drawn_svg, pixels, size_of, texts
from test_reports import HOSTILE, Page, rows

PARAMS = SPECTROGRAMS["default"]


# Picture ------------------------------------------------------------------------------------------


def a_picture(n: int = 6, **more: Any) -> Figure:
    starts_s = 8 * np.arange(n, dtype=np.float64)
    scores = np.linspace(0, 1, n)
    given: dict[str, Any] = {
        "score": 0.7,
        "track_s": (0.0, 8.0 * n),
        "best": [n - 1],
        "worst": [0, 1],
    } | more
    return plots.score_over_time(starts_s, starts_s + 8, scores, **given)


def curve(figure: Figure) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of the score's line that can be seen."""
    x, y = np.asarray(figure.axes[0].lines[0].get_xydata()).T
    return x[np.isfinite(y)], y[np.isfinite(y)]


def test_the_curve_is_the_scores() -> None:
    figure = a_picture()
    x, y = curve(figure)
    assert len(figure.axes) == 1
    for i, score in enumerate(np.linspace(0, 1, 6)):
        inside = (x > 8 * i) & (x < 8 * i + 8)
        assert not inside.any()
        assert {8.0 * i, 8.0 * i + 8} <= set(x[y == score].tolist())
    assert figure.axes[0].get_xlim() == (0, 48)
    assert np.asarray(figure.axes[0].lines[1].get_ydata()).tolist() == [0.7, 0.7]  # the track's
    assert {"▲1", "▼1", "▼2"} <= set(texts(drawn_svg(figure)))
    assert "▲2" not in texts(drawn_svg(figure))


def test_gaps_stay_empty() -> None:
    starts_s = np.array([0.0, 8.0, 40.0])
    figure = plots.score_over_time(
        starts_s, starts_s + 8, np.array([0.2, 0.4, 0.6]), score=0.4, track_s=(0.0, 60.0)
    )
    line = np.asarray(figure.axes[0].lines[0].get_xydata())
    (gap,) = np.flatnonzero(np.isnan(line[:, 1]))
    assert line[gap - 1, 0] == 16
    assert line[gap + 1, 0] == 40


def test_long_tracks_are_shown_by_means() -> None:
    n = 1001
    starts_s = 8 * np.arange(n, dtype=np.float64)
    scores = np.random.default_rng(0).uniform(0, 1, n)
    figure = plots.score_over_time(
        starts_s, starts_s + 8, scores, score=0.5, track_s=(0.0, 8.0 * n)
    )
    x, y = curve(figure)
    assert len(y) <= 3 * 400
    means = [scores[i : i + 3].mean() for i in range(0, n, 3)]
    np.testing.assert_allclose(y[::3], means, rtol=1e-12)
    np.testing.assert_array_equal(x[::3], starts_s[::3])
    assert x[-1] == 8.0 * n


def test_the_sound_is_below_the_curve() -> None:
    sound = np.full((6 * 64, 128), -1, np.float32)
    sound[3 * 64 :, 64:] = 1  # loud and high from the middle on
    figure = a_picture(spectrogram=sound, params=PARAMS)
    upper, lower, bar = figure.axes
    assert upper.get_xlim() == lower.get_xlim() == (0, 48)
    assert lower.get_ylabel() == "frequency (Hz)"
    assert bar.get_ylabel() == "level (dB, 0 is the maximum)"
    picture, _ = pixels(drawn_svg(figure))
    assert picture.shape == (128, 384, 4)
    brightness = picture[..., :3].sum(axis=2, dtype=int)
    assert (brightness[:64, 192:] > 500).all()  # the map's brightest
    assert brightness[64:].max() == brightness[:, :192].max() < 20  # and its darkest


@pytest.mark.parametrize(
    ("track_s", "labels"),
    [
        ((0.0, 30.0), ["0:00", "0:05"]),
        ((180.0, 360.0), ["3:00", "3:30"]),
        ((0.0, 36e3), ["0:00", "60:00"]),
    ],
)
def test_times_are_minutes_and_seconds(track_s: tuple[float, float], labels: list[str]) -> None:
    starts_s = np.array([track_s[0]])
    figure = plots.score_over_time(
        starts_s, starts_s + 8, np.array([0.5]), score=0.5, track_s=track_s
    )
    shown = [text for text in texts(drawn_svg(figure)) if ":" in text and "(" not in text]
    assert shown[:2] == labels
    assert len(shown) <= 11


@pytest.mark.parametrize("title", HOSTILE)
def test_any_title_can_be_drawn(tmp_path: Path, title: str) -> None:
    plots.save(a_picture(title=title), tmp_path / "a.png")
    assert size_of((tmp_path / "a.png").read_bytes())[0] == 1380
    assert not {e.tag for e in drawn_svg(a_picture(title=title)).iter()} & {"script", "img"}


# Page ---------------------------------------------------------------------------------------------


def a_page(tmp_path: Path, explanation: Explanation, **more: Any) -> Page:
    path = tmp_path / "why.html"
    given: dict[str, Any] = {"profile": "mine", "picture": a_picture()} | more
    reports.write_explanation(path, explanation, **given)
    page = Page(path)
    assert not {e.tag for e in page.root.all()} & {"script", "link", "iframe", "img", "base"}
    for element in page.root.all():
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            if name == "src":
                assert (element.tag, urlsplit(value).scheme) == ("audio", "file")
    return page


def neighbour(track: Track) -> Neighbour:
    return Neighbour(track=track, start_s=16.0, end_s=24.0, cosine=0.75, score=0.625)


def full(path: Path = Path("/music/a b/ü#1?.mp3"), title: str = "T") -> Explanation:
    known = a_track(path=path, title=title, artist=title)
    return dataclasses.replace(
        an_explanation([0.6, 0.1, 0.2], [0.05]),
        track=known,
        best={0: (neighbour(known),)},
        worst={1: (neighbour(dataclasses.replace(known, content_hash=a_hash(2))),)},
        disliked=frozenset([a_hash(2)]),
        liked=(Alike(track=known, cosine=0.9, score=0.8),) * 40,
        others=(Alike(track=known, cosine=0.5, score=0.4),),
    )


def test_players_play_the_files_where_they_lie(tmp_path: Path) -> None:
    page = a_page(tmp_path, full())
    players = page.root.all("audio")
    for player in players:
        assert unquote(urlsplit(player.attributes["src"]).path) == "/music/a b/ü#1?.mp3"
        assert player.attributes["preload"] == "none"
        assert "controls" in player.attributes
        assert player.attributes["aria-label"].startswith("Play T by T")
    fragments = [urlsplit(p.attributes["src"]).fragment for p in players]
    assert fragments[0] == ""  # the track as a whole
    best = [urlsplit(p.attributes["src"]).fragment for p in page.section("best").all("audio")]
    assert best == ["t=0.000,8.000", "t=16.000,24.000"]
    worst = page.section("worst").all("audio")
    assert urlsplit(worst[0].attributes["src"]).fragment == "t=8.000,16.000"
    assert worst[0].attributes["aria-label"] == "Play T by T, 0:08 to 0:16"


def test_a_section_is_played_from_its_beginning(tmp_path: Path) -> None:
    part = dataclasses.replace(full(), track=a_track(start_s=100.0))
    player = a_page(tmp_path, part).root.all("audio")[0]
    assert player.attributes["src"] == "file:///music/a.mp3#t=100.000"
    assert player.attributes["aria-label"] == "Play T by A, 1:40 to the end"


def test_the_page_tells_the_numbers(tmp_path: Path) -> None:
    without = Without(tracks=(a_track(),), score=0.1, score_with_all=0.3)
    page = a_page(tmp_path, full(), without=without, notes=["Note: so."])
    assert "It scores 0.30 and would be number 1 of 2" in page.section("time").text
    assert "Note: so." in page.section("time").text
    assert page.section("time").all("svg")[0].attributes["aria-label"] == (
        "Scores over time, from 0.10 to 0.60"
    )
    assert [e.text for e in page.section("best").all("h3")] == ["▲1 0:00 to 0:08, score 0.60"]
    (table,) = page.section("worst").all("table")
    assert rows(table)[1][:4] == ["T by T (disliked)", "0:16 to 0:24", "0.75", "0.62"]
    assert [e.text for e in page.section("change").all("li")] == changes(full(), without)
    near, far, others = page.section("near").all("table")
    assert [len(rows(t)) - 1 for t in (near, far, others)] == [20, 5, 1]
    assert rows(others)[1][:3] == ["T by T", "0.50", "0.40"]
    links = [e.attributes["href"][1:] for e in page.root.all("nav")[0].all("a")]
    assert links == [e.attributes["id"] for e in page.root.all("section")]


def test_a_bare_page(tmp_path: Path) -> None:
    page = a_page(tmp_path, an_explanation([0.9]))
    assert [e.attributes["id"] for e in page.root.all("section")] == ["time", "best", "change"]


@pytest.mark.parametrize("title", HOSTILE)
def test_hostile_names_are_only_text(tmp_path: Path, title: str) -> None:
    page = a_page(
        tmp_path,
        full(Path("/music") / title.replace("/", "|"), title),
        profile=title,
        notes=[title],
        picture=a_picture(title=title),
    )
    assert page.root.all("h1")[0].text == " ".join(f"{title} by {title}".split())
    assert b"1337" not in page.bytes


def test_names_that_are_no_text(tmp_path: Path) -> None:
    page = a_page(tmp_path, full(Path("/music/a\udcff\x01.mp3")))
    assert page.root.all("audio")[0].attributes["src"] == "file:///music/a%FF%01.mp3"
