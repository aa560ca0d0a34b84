"""The sound of tracks and their pictures, through the API."""

import contextlib
import io
import os
import re
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray
from PIL import Image

import sounds
from recommender import audio
from recommender.audio import Tags
from recommender.audio.supervision import Child
from recommender.library import Section
from recommender.web import audio as web_audio
from recommender.web import spectrograms, transcoding
from recommender.web.app import create_app
from recommender.web.ranges import Version
from recommender.web.texts import disposition
from web_asking import HOST, OWN, Reply, ask, remember

PLAYED_AS_THEY_ARE = {
    "a.mp3": "audio/mpeg",
    "a.flac": "audio/flac",
    "a.ogg": "audio/ogg",
    "a.opus": "audio/ogg",
    "a.wav": "audio/wav",
    "a.m4a": "audio/mp4",
}
TRANSCODED = ("a.aiff", "a.wma", "a.wv", "a.mka", "a.aac", "a.ac3", "a.caf", "a.tta", "a.au")
ALAC = "alac.m4a"


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a tone in each format."""
    folder = tmp_path_factory.mktemp("music")
    for name in (*PLAYED_AS_THEY_ARE, *TRANSCODED):
        sounds.tone(folder / name, 3.0, layout="stereo")
    sounds.make(folder / ALAC, "sine=440:duration=3", "-c:a", "alac")
    return folder


@pytest.fixture
def app(home: Path, music: Path) -> FastAPI:
    for i, name in enumerate((*PLAYED_AS_THEY_ARE, *TRANSCODED, ALAC)):
        (track_id,) = remember(home, music / name, 3.0)
        assert track_id == i + 1
    return create_app(home)


def id_of(name: str) -> int:
    return (*PLAYED_AS_THEY_ARE, *TRANSCODED, ALAC).index(name) + 1


def hear(app: FastAPI, track_id: int, query: str = "", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(app, f"/api/v1/tracks/{track_id}/audio{query}", headers={"host": HOST, **named})


def decoded(mp3: bytes, folder: Path) -> NDArray[np.float64]:
    path = folder / "heard.mp3"
    path.write_bytes(mp3)
    return np.concatenate(list(audio.blocks(path, sr=48_000))).astype(np.float64) / 32768


def pitch_hz(y: NDArray[np.float64]) -> float:
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y))))
    return float(spectrum.argmax() * 48_000 / len(y))


@pytest.mark.parametrize("name", PLAYED_AS_THEY_ARE)
def test_what_browsers_play_comes_as_it_is(app: FastAPI, music: Path, name: str) -> None:
    content = (music / name).read_bytes()
    reply = hear(app, id_of(name))
    assert (reply.status, reply.body) == (200, content)
    assert reply.headers["content-type"] == PLAYED_AS_THEY_ARE[name]
    assert reply.headers["content-length"] == str(len(content))
    assert reply.headers["accept-ranges"] == "bytes"
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", [*TRANSCODED, ALAC])
def test_the_rest_is_transcoded(app: FastAPI, tmp_path: Path, name: str) -> None:
    reply = hear(app, id_of(name))
    assert reply.status == 200
    assert reply.headers["content-type"] == "audio/mpeg"
    assert reply.headers["content-length"] == str(len(reply.body)) == str(126 * 576)
    y = decoded(reply.body, tmp_path)
    assert abs(pitch_hz(y[4800:120_000]) - 440) < 1  # bins are 0.4 Hz apart
    assert 0.05 < np.sqrt(np.mean(y[4800:120_000] ** 2)) < 0.2  # ffmpeg's sine: 1/8 of full scale


def test_mp3_can_be_asked_for(app: FastAPI) -> None:
    reply = hear(app, id_of("a.ogg"), "?format=mp3")
    assert (reply.status, reply.headers["content-type"]) == (200, "audio/mpeg")
    assert hear(app, id_of("a.ogg"), "?format=exe").status == 422


RANGES = [
    ("bytes=0-", 0, None),
    ("bytes=0-0", 0, 1),
    ("bytes=100-199", 100, 200),
    ("bytes=100-99999999999", 100, None),
    ("bytes=-1", -1, None),
    ("bytes=-300", -300, None),
    ("bytes=-99999999", 0, None),
    ("Bytes= 7-8 ", 7, 9),
]


@pytest.mark.parametrize(("asked", "start", "end"), RANGES)
@pytest.mark.parametrize("name", ["a.flac", "a.aiff"])
def test_parts(app: FastAPI, name: str, asked: str, start: int, end: int | None) -> None:
    whole = hear(app, id_of(name)).body
    expected = range(len(whole))[slice(start, end)]
    reply = hear(app, id_of(name), range=asked)
    assert reply.status == 206
    assert reply.headers["content-range"] == (f"bytes {expected[0]}-{expected[-1]}/{len(whole)}")
    assert reply.headers["content-length"] == str(len(reply.body)) == str(len(expected))
    if name == "a.flac":
        assert reply.body == whole[slice(start, end)]


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=",
        "bytes=-",
        "bytes=5-4",
        "bytes=0-1,3-4",
        "lines=0-1",
        "bytes=a-",
        "0-1",
        "bytes=\xb2-\xb3",
    ],
)
def test_parts_that_make_no_sense_are_passed_over(app: FastAPI, asked: str) -> None:
    reply = hear(app, id_of("a.flac"), range=asked)
    assert reply.status == 200
    assert "content-range" not in reply.headers


@pytest.mark.parametrize("name", ["a.flac", "a.aiff"])
@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0", "bytes=999999999999999999-"])
def test_parts_beyond_the_end(app: FastAPI, name: str, asked: str) -> None:
    size = len(hear(app, id_of(name)).body)
    reply = hear(app, id_of(name), range=asked)
    assert reply.status == 416
    assert reply.headers["content-range"] == f"bytes */{size}"
    assert reply.headers["content-type"] == "application/problem+json"


def test_transcoded_parts_fit_together(app: FastAPI, tmp_path: Path) -> None:
    """What is heard from any place on is what is heard there from the beginning."""
    whole = hear(app, id_of("a.aiff")).body
    y = decoded(whole, tmp_path)
    for first_frame in (1, 3, 50, 100):
        part = hear(app, id_of("a.aiff"), range=f"bytes={first_frame * 576}-").body
        assert len(part) == len(whole) - first_frame * 576
        # Whatever comes next is the same sound: compared after 3 frames, once decoding has run in.
        joined = decoded(whole[: first_frame * 576] + part, tmp_path)
        assert len(joined) == len(y)
        assert np.abs(joined - y)[: 120 * 1152].max() < 0.01  # measured: 0.002


def test_versions(app: FastAPI, music: Path) -> None:
    for name in ("a.flac", "a.aiff"):
        first = hear(app, id_of(name))
        tag, date = first.headers["etag"], first.headers["last-modified"]
        assert tag.startswith('"')
        for known in (tag, f'W/{tag}, "x"', "*"):
            same = hear(app, id_of(name), if_none_match=known)
            assert (same.status, same.body, same.headers["etag"]) == (304, b"", tag)
        assert hear(app, id_of(name), if_modified_since=date).status == 304
        assert hear(app, id_of(name), if_none_match='"x"', if_modified_since=date).status == 200
        for known, status in ((tag, 206), (date, 206), ('"x"', 200), (f"W/{tag}", 200)):
            assert hear(app, id_of(name), range="bytes=0-9", if_range=known).status == status
        os.utime(music / name, ns=(0, (music / name).stat().st_mtime_ns + 1))
        assert hear(app, id_of(name)).headers["etag"] != tag


def test_only_what_is_new_counts_as_such() -> None:
    version = Version(tag='"a"', modified_s=0.0)
    assert version.headers["Last-Modified"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert not version.is_known({})


def test_only_the_head(app: FastAPI) -> None:
    for name in ("a.flac", "a.aiff"):
        reply = ask(app, f"/api/v1/tracks/{id_of(name)}/audio", "HEAD")
        assert (reply.status, reply.body) == (200, b"")
        assert int(reply.headers["content-length"]) == len(hear(app, id_of(name)).body)


def test_tracks_of_one_file(home: Path, tmp_path: Path) -> None:
    """Parts that a CUE sheet names sound by themselves."""
    path = tmp_path / "disc.flac"
    sounds.make(
        path,
        "sine=300:duration=2[a];sine=500:duration=3[b];sine=700:duration=2[c];"
        "[a][b][c]concat=n=3:v=0:a=1",
    )
    sections = [
        Section(number=1, start_s=0.0, end_s=2.0),
        Section(number=2, start_s=2.0, end_s=5.0),
        Section(number=3, start_s=5.0, end_s=None),
    ]
    ids = remember(home, path, 7.0, sections=sections)
    app = create_app(home)
    replies = [hear(app, track_id) for track_id in ids]
    assert len({reply.headers["etag"] for reply in replies}) == 3
    for reply, hz, duration_s in zip(replies, (300, 500, 700), (2, 3, 2), strict=True):
        assert reply.headers["content-type"] == "audio/mpeg"
        y = decoded(reply.body, tmp_path)
        assert 0 <= len(y) / 48_000 - duration_s < 0.1
        inner = y[4800 : int((duration_s - 0.1) * 48_000)]
        assert abs(pitch_hz(inner) - hz) < 1
    late = hear(app, ids[1], range=f"bytes={60 * 576}-")
    assert abs(pitch_hz(decoded(late.body, tmp_path)[4800:60_000]) - 500) < 2


def test_what_the_file_lacks_is_silent(home: Path, tmp_path: Path) -> None:
    (track_id,) = remember(home, sounds.tone(tmp_path / "short.aiff", 1.0), 4.0)
    app = create_app(home)
    whole = hear(app, track_id)
    y = decoded(whole.body, tmp_path)
    assert len(y) / 48_000 == pytest.approx(4.0, abs=0.1)
    assert np.abs(y[60_000:]).max() == 0
    assert np.abs(y[:40_000]).max() > 0.05
    beyond = hear(app, track_id, range="bytes=80000-")
    assert beyond.status == 206
    assert len(beyond.body) == len(whole.body) - 80_000


@pytest.mark.parametrize(
    "content",
    [b"dear diary " * 500, b"\0" * 5000, b"RIFF", b"", b"fLaC", b"\0\0\0\x20ftypM4A " + b"x" * 99],
)
def test_what_is_no_music(home: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.aiff"
    path.write_bytes(content)
    (track_id,) = remember(home, path, 4.0)
    reply = hear(create_app(home), track_id)
    assert reply.status == (200 if content == b"fLaC" else 422), reply
    picture = ask(create_app(home), f"/api/v1/tracks/{track_id}/spectrogram.png")
    assert picture.status == 422
    for answer in (reply, picture):
        if answer.status == 422:
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "script",
    [
        "ffconcat version 1.0\nfile {}\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
    ],
)
def test_scripts_name_no_further_files(home: Path, tmp_path: Path, script: str) -> None:
    """A file that is called music, but has the decoder open another one."""
    secret = sounds.tone(tmp_path / "secret.ts", 3.0)
    path = tmp_path / "a.mka"
    path.write_text(script.format(secret))
    (track_id,) = remember(home, path, 3.0)
    assert hear(create_app(home), track_id).status == 422


def test_no_encoder_outlives_its_listener(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[Child] = []

    class Noted(Child):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            children.append(self)

    class GoneError(Exception):
        pass

    monkeypatch.setattr(transcoding, "Child", Noted)
    with pytest.raises(GoneError):
        ask(app, f"/api/v1/tracks/{id_of('a.aiff')}/audio", fail_with=GoneError())
    (child,) = children
    assert not child.is_alive()


def test_listeners_that_take_nothing_are_let_go(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_audio, "STALL_S", 0.1)
    reply = ask(app, f"/api/v1/tracks/{id_of('a.wav')}/audio", send_s=0.3)
    assert reply.status == 0  # not even the head was taken


def test_at_most_so_many_encoders(
    app: FastAPI, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcoding, "_slots", threading.BoundedSemaphore(1))
    assert hear(app, id_of("a.aiff")).status == 200  # and gives its place back
    file = io.FileIO(music / "a.aiff")
    with contextlib.closing(transcoding.encoded(file, 0, 576)) as chunks:
        next(chunks)
        reply = hear(app, id_of("a.aiff"))
    assert (reply.status, reply.headers["retry-after"]) == (429, "5")
    assert hear(app, id_of("a.aiff")).status == 200


NAMES = {
    "plain": "plain",
    "Für Elise": "F_r Elise",
    'a"b': "a_b",
    "a\r\nSet-Cookie: x=1": "a__Set-Cookie: x=1",
    "../../etc/passwd": "_.._etc_passwd",
    "a\\b": "a_b",
    "100%41": "100_41",
    "\u202egpj.exe": "_gpj.exe",
    "\udcff": "_",
    "": "file",
    "...": "file",
    "x" * 5000: "x" * 150,
    "\0": "_",
    "<script>": "<script>",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_downloads(name: str) -> None:
    header = disposition(name)
    found = re.fullmatch(r"attachment; filename=\"([^\"]*)\"; filename\*=UTF-8''([^ ;]*)", header)
    assert found is not None
    assert found[1].strip(" .") == NAMES[name]
    assert header.isascii()
    assert header.isprintable()
    assert "/" not in found[1] and "%2F" not in found[2]


def test_a_title_cannot_add_headers(home: Path, music: Path) -> None:
    title = 'x"\r\nSet-Cookie: stolen=1\r\n\r\n<script>'
    (track_id,) = remember(home, music / "a.wav", 3.0, tags=Tags(title=title))
    reply = hear(create_app(home), track_id)
    assert reply.status == 200
    assert "set-cookie" not in reply.headers
    assert "\n" not in reply.headers["content-disposition"]


# Pictures -------------------------------------------------------------------------------------


def see(app: FastAPI, track_id: int, theme: str = "dark", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    target = f"/api/v1/tracks/{track_id}/spectrogram.png?theme={theme}"
    return ask(app, target, headers={**OWN, **named})


def pixels(reply: Reply) -> NDArray[np.int64]:
    image = Image.open(io.BytesIO(reply.body))
    assert image.format == "PNG"
    return np.asarray(image.convert("L"), np.int64)


def test_a_picture_is_as_wide_as_its_track(home: Path, tmp_path: Path) -> None:
    """Three tones one after the other: each a line where it sounds, at its height."""
    path = tmp_path / "tones.flac"
    sounds.make(
        path,
        "sine=300:duration=2[a];sine=1200:duration=3[b];sine=4800:duration=5[c];"
        "[a][b][c]concat=n=3:v=0:a=1",
    )
    (track_id,) = remember(home, path, 10.0)
    app = create_app(home)
    dark, light = (pixels(see(app, track_id, theme)) for theme in ("dark", "light"))
    assert dark.shape == light.shape == (128, 80)  # a column is 1/8 s

    def row(hz: float) -> float:
        mels = 1127.01048 * np.log1p(np.array([hz, 11_024.0]) / 700)
        return float(128 - mels[0] / mels[1] * 129)

    for hz, first, last in ((300, 0, 15), (1200, 17, 39), (4800, 41, 79)):
        assert np.abs(dark[:, first:last].argmax(0) - row(hz)).max() <= 1
        assert np.abs(light[:, first:last].argmin(0) - row(hz)).max() <= 1
    assert dark.min() < 10  # almost black
    assert light.max() > 240  # almost white


def test_pictures_of_parts_and_of_long_tracks(home: Path, tmp_path: Path) -> None:
    path = sounds.tone(tmp_path / "a.wav", 100.0, sr=8000)
    sections = [
        Section(number=1, start_s=0.0, end_s=60.5),
        Section(number=2, start_s=60.5, end_s=None),
    ]
    app = create_app(home)
    widths = [pixels(see(app, i)).shape[1] for i in remember(home, path, 100.0, sections=sections)]
    assert widths == [8 * 60.5, 8 * 39.5]


def test_long_pictures_are_made_narrower(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spectrograms, "MOST_COLUMNS", 10)
    (track_id,) = remember(home, sounds.tone(tmp_path / "a.wav", 100.0, sr=8000), 100.0)
    assert 5 <= pixels(see(create_app(home), track_id)).shape[1] <= 10


def test_pictures_are_made_once(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrograms, "_pictures", OrderedDict())
    first = see(app, id_of("a.mp3"))
    with monkeypatch.context() as patch:
        patch.setattr(spectrograms, "listen", None)
        assert see(app, id_of("a.mp3")).body == first.body
    tag = first.headers["etag"]
    assert see(app, id_of("a.mp3"), if_none_match=tag).status == 304
    assert see(app, id_of("a.mp3"), "light").headers["etag"] != tag
    assert see(app, id_of("a.mp3"), "blue").status == 422


def test_memory_for_pictures_is_bounded(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures: OrderedDict[Any, bytes] = OrderedDict()
    monkeypatch.setattr(spectrograms, "_pictures", pictures)
    size = len(see(app, id_of("a.mp3")).body)
    monkeypatch.setattr(spectrograms, "_MOST_BYTES", 2.5 * size)
    for name in ("a.wav", "a.flac", "a.mp3", "a.ogg"):
        assert see(app, id_of(name)).status == 200
    assert 1 <= len(pictures) <= 2
    assert next(reversed(pictures))[0].startswith(f"{id_of('a.ogg')}-")


def test_hearing_for_a_picture_ends(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrograms, "_pictures", OrderedDict())
    monkeypatch.setattr(spectrograms, "LONGEST_S", 0.0)
    reply = see(app, id_of("a.opus"))
    assert reply.status == 422
    assert "longer" in reply.json["detail"]
