"""The API: every call, against the functions behind it."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from recommender import preprocessor, ranking
from recommender import profile as profiles
from recommender.library import Library
from recommender.playlist import Entry, write
from recommender.profile import Profile
from recommender.web import rankings
from web_home import API, GENRES, fill, like_folder, put, served

FINGERPRINT = preprocessor.load().fingerprint


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that no test changes."""
    home = tmp_path_factory.mktemp("web") / "home"
    like_folder(home, fill(home) / "metal")
    return home


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[TestClient]:
    with served(home) as client:
        yield client


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[TestClient, Path]]:
    """A server and a home of one's own."""
    home = tmp_path / "home"
    like_folder(home, fill(home) / "metal")
    with served(home) as client:
        yield client, home


def profile_of(home: Path) -> Profile:
    return profiles.load(profiles.path_of("mine", home))


def get(client: TestClient, path: str, **params: Any) -> Any:
    answer = client.get(API + path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def check_problem(answer: Any, status: int) -> str:
    """RFC 9457: media type and members."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert content["status"] == status
    assert content["title"]
    assert content["type"] == "about:blank"
    return str(content["detail"])


def test_status(client: TestClient, home: Path) -> None:
    assert get(client, "/status")["home"] == str(home)
    assert get(client, "/status")["preprocessor"] == FINGERPRINT


def test_library(client: TestClient, home: Path) -> None:
    found = get(client, "/library")
    assert (found["n_tracks"], found["n_files"], found["n_analysed"]) == (60, 60, 60)
    with Library.open(home / "library.db") as library:
        assert found["hours"] == pytest.approx(library.counts().duration_s / 3600)
    (root,) = found["roots"]
    assert root["path"] == str(home.parent / "music")
    assert root["is_away"] is False


def test_failures(own: tuple[TestClient, Path]) -> None:
    client, home = own
    with Library.open(home / "library.db") as library:
        library.record_failure(Path("/music/a\udcff.mp3"), "too short, by 1 s")
        library.record_failure(Path("/music/b.mp3"), "too short, by 2 s")
    found = get(client, "/library/failures", limit=1)
    assert found["total"] == 2
    assert [item["path"] for item in found["items"]] == ["/music/a\\xff.mp3"]
    assert get(client, "/library")["failures_by_reason"] == {"too short": 2}


def test_folders(client: TestClient, home: Path) -> None:
    music = home.parent / "music"
    top = get(client, "/library/folders")
    assert [(folder["path"], folder["n_tracks"]) for folder in top["folders"]] == [(str(music), 60)]
    below = get(client, "/library/folders", under=str(music))
    assert [folder["name"] for folder in below["folders"]] == [g.lower() for g in GENRES]
    assert {folder["n_tracks"] for folder in below["folders"]} == {15}
    assert below["parent"] is None
    metal = get(client, "/library/folders", under=str(music / "metal"))
    assert (metal["folders"], metal["parent"]) == ([], str(music))


@pytest.mark.parametrize("under", ["/", "/etc", "/etc/../etc", "relative", "", "/a\0b"])
def test_folders_shows_nothing_beside_music(client: TestClient, under: str) -> None:
    answer = client.get(f"{API}/library/folders", params={"under": under})
    if under == "/":  # above the music: its folders on the way there, and no others
        assert {folder["n_tracks"] for folder in answer.json()["folders"]} == {60}
    else:
        check_problem(answer, 404 if under.startswith("/etc") else 422)


@pytest.mark.parametrize(
    ("words", "total"),
    [
        ("", 60),
        ("title 7", 2),  # of artist 7: also 55 ...
        ("TITLE", 60),
        ("cafe", 60),
        ("CAFÉ metal", 15),
        ("100%", 0),
        ("_", 0),
        ("'; drop table files; --", 0),
    ],
)
def test_search(client: TestClient, home: Path, words: str, total: int) -> None:
    found = get(client, "/tracks", q=words, limit=7)
    if words == "title 7":
        with Library.open(home / "library.db") as library:
            total = sum(
                "7" in f"{t.artist}{t.title}{t.album}{t.path}" for t in library.tracks(FINGERPRINT)
            )
    assert found["total"] == total
    assert len(found["items"]) == min(total, 7)


def test_pages_of_tracks_make_a_whole(client: TestClient, home: Path) -> None:
    with Library.open(home / "library.db") as library:
        expected = [track.id for track in library.tracks(FINGERPRINT)]
    found = [
        item["id"]
        for offset in range(0, 60, 7)
        for item in get(client, "/tracks", offset=offset, limit=7)["items"]
    ]
    assert found == expected
    metal = get(client, "/tracks", folder=str(home.parent / "music/metal"))
    assert metal["total"] == 15


def test_track(client: TestClient, home: Path) -> None:
    with Library.open(home / "library.db") as library:
        track = library.tracks(FINGERPRINT)[33]
    found = get(client, f"/tracks/{track.id}")
    assert (found["title"], found["path"]) == (track.title, str(track.path))
    assert found["content_hash"] == track.content_hash
    assert found["fragments"] == [
        {"start_s": 8.0 * i, "end_s": 8.0 * (i + 1)} for i in range(track.n_fragments)
    ]
    (made,) = found["provenance"]
    assert (made["fingerprint"], made["preprocessor"]) == (FINGERPRINT, "default")


@pytest.mark.parametrize("track_id", [0, -1, 61, 2**63 - 1, 2**63, "x", "1.5", "%00"])
def test_tracks_that_are_not_there(client: TestClient, track_id: object) -> None:
    for what in ("", "/explanation?profile=mine", "/genres"):
        status = client.get(f"{API}/tracks/{track_id}{what}").status_code
        assert status in (400, 404, 422)


def test_explanation(client: TestClient, home: Path) -> None:
    items = get(client, "/profiles/mine/ranking")["items"]
    found = get(client, f"/tracks/{items[2]['id']}/explanation", profile="mine")
    assert found["place"] == 3
    assert found["n_ranked"] == 52
    assert found["score"] == pytest.approx(items[2]["score"])
    assert len(found["nearest_liked"]) == len(profile_of(home).liked)
    best = found["best"][0]["nearest"][0]
    assert best["id"] in {near["id"] for near in found["nearest_liked"]}


def test_profiles(client: TestClient, home: Path) -> None:
    profile = profile_of(home)
    (summary,) = get(client, "/profiles")
    assert (summary["name"], summary["n_liked"]) == ("mine", 8)
    found = get(client, "/profiles/mine")
    assert [known["path"] for known in found["liked"]] == [ref.path for ref in profile.liked]
    scores = [known["score"] for known in found["liked"]]
    assert np.mean(scores) == pytest.approx(profile.liked_score)
    assert "likes 8 tracks" in found["sentences"][0]
    check_problem(client.get(f"{API}/profiles/other"), 404)


def test_quality(client: TestClient, home: Path) -> None:
    found = get(client, "/profiles/mine/quality")
    with Library.open(home / "library.db") as library:
        expected = profiles.judge(library, profile_of(home))
    assert found["auc"] == pytest.approx(expected.auc)
    assert found["n_found"] == expected.n_found


def test_export(client: TestClient, home: Path) -> None:
    answer = client.get(f"{API}/profiles/mine/export")
    assert answer.content == profiles.path_of("mine", home).read_bytes()
    assert 'filename="mine.safetensors"' in answer.headers["content-disposition"]


def test_ranking_is_that_of_rank(client: TestClient, home: Path) -> None:
    with Library.open(home / "library.db") as library:
        expected = ranking.rank(profile_of(home), library, [])
    found = get(client, "/profiles/mine/ranking", limit=1000)
    assert (found["total"], found["complete"]) == (52, True)
    assert [item["path"] for item in found["items"]] == [str(item.path) for item in expected]
    assert [item["rank"] for item in found["items"]] == list(range(1, 53))
    scores = [item["score"] for item in found["items"]]
    assert scores == pytest.approx([item.score for item in expected])
    assert not any(item["liked"] or item["disliked"] for item in found["items"])


@pytest.mark.parametrize(
    "options",
    [
        {"top": 5},
        {"share": 0.1},
        {"min_score": 0.5},
        {"max_per_artist": 1},
        {"exclude": ["*metal*", "techno"]},
        {"include_liked": True},
        {"top": 10, "diversity": 0.5},
        {"top": 10, "order": "flow"},
        {"max_minutes": 0.4},
        {"folder": ["folk", "techno"]},
        {"duplicates": True, "top": 5},
        {"blend": ["other", "third:0.5"]},
        {"blend": ["other:0.25"], "folder": ["metal"], "include_liked": True},
    ],
)
def test_filters(client: TestClient, home: Path, options: dict[str, Any]) -> None:
    music = home.parent / "music"
    wanted = dict(options)
    folders = [music / name for name in wanted.pop("folder", [])]
    if "max_minutes" in wanted:
        wanted["max_duration_s"] = 60 * wanted.pop("max_minutes")
    with Library.open(home / "library.db") as library:
        if blend := [text.split(":") for text in wanted.pop("blend", [])]:
            like_folder(home, music / "folk", "other")
            like_folder(home, music / "techno", "third")
            wanted["blend"] = [
                (profiles.load(profiles.path_of(name, home)), float(*weight or [1]))
                for name, *weight in blend
            ]
        expected = ranking.rank(profile_of(home), library, folders, **wanted)
    if folders:
        options = options | {"folder": list(map(str, folders))}
    found = get(client, "/profiles/mine/ranking", limit=1000, **options)
    for other in ("other", "third"):
        profiles.path_of(other, home).unlink(missing_ok=True)
    assert found["total"] == len(expected)
    assert [item["path"] for item in found["items"]] == [str(item.path) for item in expected]
    if "include_liked" in options:
        assert sum(item["liked"] for item in found["items"]) == 8


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"folder": "/nowhere"}, 422),
        ({"folder": "not absolute"}, 422),
        ({"max_minutes": 0}, 422),
        ({"blend": "nobody"}, 404),
        ({"blend": "mine:-1"}, 422),
        ({"blend": "mine:0"}, 422),
    ],
)
def test_filters_that_make_no_sense(
    client: TestClient, options: dict[str, Any], status: int
) -> None:
    check_problem(client.get(f"{API}/profiles/mine/ranking", params=options), status)


def test_what_is_not_filled_in_is_no_filter(client: TestClient) -> None:
    """As a browser without scripts sends it."""
    bare = client.get("/ranking/mine")
    blank = client.get("/ranking/mine?top=&min_score=&exclude=&order=&folder=&blend=")
    assert (bare.status_code, blank.status_code) == (200, 200)
    assert blank.text == bare.text


def test_pages_of_a_ranking_make_a_whole(client: TestClient) -> None:
    whole = get(client, "/profiles/mine/ranking", limit=1000)["items"]
    pages = [
        item
        for offset in range(0, 60, 9)
        for item in get(client, "/profiles/mine/ranking", offset=offset, limit=9)["items"]
    ]
    assert pages == whole


def test_first_places_come_first(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large library; the whole follows, and begins with them."""
    whole = get(client, "/profiles/mine/ranking", limit=1000)
    monkeypatch.setattr(rankings, "LARGE", 10)
    monkeypatch.setattr(rankings, "N_FIRST", 20)
    state = client.app.state  # type: ignore[attr-defined]
    state.rankings = rankings.Rankings(state.settings)
    first = get(client, "/profiles/mine/ranking", limit=20)
    assert (first["total"], first["complete"]) == (52, False)
    assert first["items"] == whole["items"][:20]
    assert (
        get(client, "/profiles/mine/ranking", offset=10, limit=20)["items"]
        == (whole["items"][10:30])
    )
    assert get(client, "/profiles/mine/ranking", limit=20)["complete"] is True


@pytest.mark.parametrize("options", [{}, {"include_liked": True}, {"min_score": 0.2}])
def test_very_large_libraries(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """Where no track sounds the same as another, they are ranked as others are."""
    whole = get(client, "/profiles/mine/ranking", limit=1000, **options)
    for name, n in (("LARGE", 5), ("N_FIRST", 10), ("VERY_LARGE", 5)):
        monkeypatch.setattr(rankings, name, n)
    state = client.app.state  # type: ignore[attr-defined]
    state.rankings = rankings.Rankings(state.settings)
    assert get(client, "/profiles/mine/ranking", limit=1000, **options) == whole


def test_a_ranking_is_a_playlist(client: TestClient) -> None:
    answer = client.get(f"{API}/profiles/mine/ranking.m3u8", params={"top": 3})
    lines = answer.text.splitlines()
    items = get(client, "/profiles/mine/ranking", limit=3)["items"]
    assert lines[0] == "#EXTM3U"
    assert [line for line in lines if line[0] != "#"] == [item["path"] for item in items]


def test_playlists_are_named_after_profiles_as_they_are_written(
    own: tuple[TestClient, Path],
) -> None:
    client, home = own
    like_folder(home, home.parent / "music/folk", "für später")
    answer = client.get(f"{API}/profiles/für später/ranking.m3u8")
    header = answer.headers["content-disposition"]
    assert header.startswith("attachment; ")
    assert header.endswith("filename*=UTF-8''f%C3%BCr%20sp%C3%A4ter.m3u8")


def test_feedback_changes_the_ranking(own: tuple[TestClient, Path]) -> None:
    client, home = own
    items = get(client, "/profiles/mine/ranking")["items"]
    like, dislike = items[0]["id"], items[1]["id"]
    answer = client.post(
        f"{API}/profiles/mine/feedback", json={"like": [like], "dislike": [dislike]}
    ).json()
    assert (answer["profile"]["n_liked"], answer["profile"]["n_disliked"]) == (9, 1)
    assert [(c["id"], c["opinion"]) for c in answer["changes"]] == [
        (like, "liked"),
        (dislike, "disliked"),
    ]
    assert answer["changes"][0]["score_after"] > answer["changes"][0]["score_before"]
    now = get(client, "/profiles/mine/ranking")
    assert now["total"] == 50
    assert not {like, dislike} & {item["id"] for item in now["items"]}
    assert get(client, "/profiles/mine")["n_earlier"] == 1
    # The same as on the command line.
    with Library.open(home / "library.db") as library:
        expected = ranking.rank(profile_of(home), library, [])
    assert [item["path"] for item in now["items"]] == [str(item.path) for item in expected][:50]

    answer = client.post(f"{API}/profiles/mine/feedback", json={"forget": [like]}).json()
    assert answer["changes"][0]["opinion"] == "neither"
    assert client.post(f"{API}/profiles/mine/undo").json()["n_liked"] == 9
    assert client.post(f"{API}/profiles/mine/undo").json()["n_liked"] == 8
    check_problem(client.post(f"{API}/profiles/mine/undo"), 409)
    assert get(client, "/profiles/mine/ranking")["items"] == items


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 422),
        ({"like": [1], "dislike": [1]}, 422),
        ({"like": [999]}, 404),
        ({"like": [2**63]}, 422),
        ({"like": [0]}, 422),
        ({"love": [1]}, 422),
        ([], 422),
        ("like", 422),
    ],
)
def test_feedback_that_makes_no_sense(client: TestClient, given: object, status: int) -> None:
    check_problem(client.post(f"{API}/profiles/mine/feedback", json=given), status)


def test_liking_twice_changes_nothing(own: tuple[TestClient, Path]) -> None:
    client, _ = own
    liked = get(client, "/profiles/mine")["liked"][0]["id"]
    answer = client.post(f"{API}/profiles/mine/feedback", json={"like": [liked]}).json()
    assert answer["changes"] == []
    assert get(client, "/profiles/mine")["n_earlier"] == 0


def test_what_is_liked_last_cannot_go(own: tuple[TestClient, Path]) -> None:
    client, _ = own
    liked = [known["id"] for known in get(client, "/profiles/mine")["liked"]]
    answer = client.post(f"{API}/profiles/mine/feedback", json={"forget": liked})
    assert "nothing that is liked would be left" in check_problem(answer, 422)


def test_making_profiles(own: tuple[TestClient, Path]) -> None:
    client, home = own
    folder = home.parent / "music/folk"
    answer = client.post(
        f"{API}/profiles",
        json={"name": "Folk, ja".replace(",", ""), "folders": [str(folder)], "dislike": [2]},
    )
    assert answer.status_code == 201, answer.text
    assert (answer.json()["n_liked"], answer.json()["n_disliked"]) == (14, 1)
    picked = {"name": "picked", "tracks": [1, 5, 9]}
    assert client.post(f"{API}/profiles", json=picked).json()["n_liked"] == 3
    check_problem(client.post(f"{API}/profiles", json=picked), 409)
    assert [found["name"] for found in get(client, "/profiles")] == ["Folk ja", "mine", "picked"]
    assert client.delete(f"{API}/profiles/picked").status_code == 204
    check_problem(client.delete(f"{API}/profiles/picked"), 404)


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"name": "x"}, 422),
        ({"name": "../x", "tracks": [1]}, 422),
        ({"name": "", "tracks": [1]}, 422),
        ({"name": "x\n", "tracks": [1]}, 422),
        ({"name": "x", "tracks": [999]}, 404),
        ({"name": "x", "tracks": [1], "dislike": [1]}, 422),
        ({"name": "x", "folders": ["/nowhere"]}, 422),
        ({"name": "x", "folders": ["music"]}, 422),
        ({"name": "x", "folders": ["/a\0b"]}, 422),
        ({"name": "x", "tracks": [1], "recipe": "best"}, 422),
    ],
)
def test_profiles_that_make_no_sense(
    client: TestClient, wanted: dict[str, Any], status: int
) -> None:
    check_problem(client.post(f"{API}/profiles", json=wanted), status)
    assert len(get(client, "/profiles")) == 1


def test_profile_from_a_playlist(own: tuple[TestClient, Path]) -> None:
    client, home = own
    music = home.parent / "music"
    with Library.open(home / "library.db") as library:
        tracks = library.tracks(FINGERPRINT, [music / "techno"])[:4]
    content = io.BytesIO()
    write(content, [*tracks, Entry(path=music / "unknown.mp3")], format="m3u8")
    upload = {"file": ("best.m3u8", content.getvalue())}
    answer = client.post(f"{API}/profiles/upload", data={"name": "best"}, files=upload)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["n_liked"], made["n_unknown"]) == (4, 1)
    assert made["unknown"][0].endswith("unknown.mp3")
    check_problem(client.post(f"{API}/profiles/upload", data={"name": "best"}, files=upload), 409)


def test_tracks_of_a_playlist_from_another_machine(client: TestClient) -> None:
    items = get(client, "/tracks", q="techno", limit=2)["items"]
    names = [item["path"].split("/")[-1] for item in items]
    lines = [
        "#PLAYLIST:Für später",
        rf"E:\Musik\techno\{names[0]}",
        f"../music/techno/{names[1]}",
        f"techno/{names[0]}",
        "lost.mp3",
    ]
    upload = {"file": ("a.m3u8", "\r\n".join(lines).encode())}
    answer = client.post(f"{API}/playlists", files=upload)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "title": "Für später",
        "tracks": [item["id"] for item in items],
        "n_unknown": 1,
        "unknown": ["lost.mp3"],
        "notes": [],
    }


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("best.m3u8", b"#EXTM3U\n/nowhere/a.mp3\n", 422),
        ("best.m3u8", b"#EXTM3U\n/etc/passwd\n", 422),
        ("best.m3u8", b"", 422),
        ("best.xspf", b"<playlist>&x;", 422),
        ("best.txt", b"#EXTM3U\n", 415),
        ("best", b"#EXTM3U\n", 415),
    ],
)
def test_playlists_of_no_use(client: TestClient, name: str, content: bytes, status: int) -> None:
    upload = {"file": (name, content)}
    answer = client.post(f"{API}/profiles/upload", data={"name": "best"}, files=upload)
    detail = check_problem(answer, status)
    assert "/tmp" not in detail
    assert check_problem(client.post(f"{API}/playlists", files=upload), status) == detail


def test_damaged_profiles_are_listed_with_the_reason(own: tuple[TestClient, Path]) -> None:
    client, home = own
    profiles.path_of("mine", home).write_bytes(b"no profile")
    (found,) = get(client, "/profiles")
    assert "damaged" in found["error"] or "safetensors" in found["error"]
    check_problem(client.get(f"{API}/profiles/mine/ranking"), 409)


def test_map(client: TestClient) -> None:
    found = get(client, "/library/map")
    assert found["total"] == len(found["points"]) == 60
    at = {genre: [] for genre in GENRES}  # type: dict[str, list[tuple[float, float]]]
    for point in found["points"]:
        assert -1 <= point["x"] <= 1
        assert -1 <= point["y"] <= 1
        at[point["genre"]].append((point["x"], point["y"]))
    # The kinds lie apart: farther than their points from their middles.
    middles = {genre: np.mean(places, 0) for genre, places in at.items()}
    spread = max(np.linalg.norm(np.array(at[g]) - middles[g], axis=1).mean() for g in GENRES)
    apart = [np.linalg.norm(middles[a] - middles[b]) for a in GENRES for b in GENRES if a < b]
    assert sorted(apart)[1] > spread  # in two of the three dimensions of four kinds
    scored = get(client, "/library/map", profile="mine", colour="score")["points"]
    ranked = {item["id"]: item["score"] for item in get(client, "/profiles/mine/ranking")["items"]}
    assert {p["id"]: p["score"] for p in scored if p["id"] in ranked} == pytest.approx(ranked)
    check_problem(client.get(f"{API}/library/map", params={"colour": "score"}), 422)


def test_a_library_with_nothing_in_it(tmp_path: Path) -> None:
    with served(tmp_path / "home") as client:
        assert get(client, "/library")["n_tracks"] == 0
        assert get(client, "/library/folders")["folders"] == []
        assert get(client, "/tracks")["total"] == 0
        assert get(client, "/profiles") == []
        assert get(client, "/library/map") == {"total": 0, "points": []}
        check_problem(client.post(f"{API}/library/scans", json={}), 409)
        check_problem(client.get(f"{API}/tracks/1/genres"), 404)


def test_names_that_are_no_text(own: tuple[TestClient, Path]) -> None:
    """Bytes that are not UTF-8 are shown, and understood when they come back."""
    client, home = own
    folder = home.parent / "music" / "caf\udce9"
    with Library.open(home / "library.db") as library:
        path = put(library, folder, 100)
    found = get(client, "/tracks", folder=str(folder).replace("\udce9", "\\xe9"))
    assert [item["path"] for item in found["items"]] == [str(path).replace("\udce9", "\\xe9")]


def test_what_is_new_joins_a_ranking(
    own: tuple[TestClient, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, home = own
    monkeypatch.setattr(rankings, "_FRESH_S", 0.0)
    assert get(client, "/profiles/mine/ranking")["total"] == 52
    with Library.open(home / "library.db") as library:
        put(library, home.parent / "music", 60)
    assert get(client, "/profiles/mine/ranking")["total"] == 53


def test_predict_without_a_system(client: TestClient) -> None:
    for place in ("/predict", f"{API}/predict"):
        detail = check_problem(client.post(place, files={"file": ("a.wav", b"RIFF")}), 409)
        assert "recommender genre train" in detail
    assert get(client, "/genres") == {"models": []}


def test_unknown_places(client: TestClient) -> None:
    check_problem(client.get(f"{API}/nothing"), 404)
    check_problem(client.put(f"{API}/library"), 405)
    check_problem(
        client.post(
            f"{API}/library/scans", content=b"{", headers={"content-type": "application/json"}
        ),
        422,
    )


def test_the_document_is_complete(client: TestClient) -> None:
    document = client.get(f"{API}/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation.get("description"), where
            assert operation["tags"], where
            assert "4XX" in operation["responses"], where
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description") or name.startswith("Body_"), name


def test_errors_of_the_program_say_nothing_of_its_inside(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(profiles, "names", broken)
    with served(home.parent / "other") as client:
        client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
        answer = client.get(f"{API}/profiles")
    assert "secret" not in check_problem(answer, 500)
