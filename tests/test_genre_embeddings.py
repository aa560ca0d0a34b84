"""Patch embeddings: of the project's own networks, and of ONNX files made here."""

import dataclasses
import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

import sounds
from recommender import audio as sound
from recommender import preprocessor, spectrogram
from recommender.errors import AudioDecodeError, CheckpointError, ParameterError
from recommender.genres import embeddings, inputs, patches
from recommender.genres.inputs import InputParams
from recommender.genres.patches import PatchSpectrogram
from test_audio import encode, noise

SR = 8_000
SR_44K = 44_100
KEYS: dict[str, Any] = {
    "sr": SR,
    "frame_length": 200,
    "hop_length": 80,
    "n_fft": 256,
    "n_mels": 12,
    "fmin": 100,
    "fmax": 3_600,
    "n_frames": 10,
    "layout": "n1tf",
}
N_DIMS = 5
LAYOUTS = ["n1tf", "nft", "ntf", "ntf1"]


def network(
    path: Path, layout: str = "n1tf", *, batch: int | str = "n", **keys: Any
) -> NDArray[np.float32]:
    """Write a network that multiplies flattened patches by a matrix, and its description."""
    sizes = {"n": batch, "t": 10, "f": 12, "1": 1}
    weights = np.random.default_rng(0).normal(size=(120, N_DIMS)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["sound"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weights"], ["embedding"]),
        ],
        "toy",
        [helper.make_tensor_value_info("sound", 1, [sizes[axis] for axis in layout])],
        [helper.make_tensor_value_info("embedding", 1, [batch, N_DIMS])],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    path.with_suffix(".json").write_text(json.dumps({**KEYS, "layout": layout, **keys}))
    return weights


@pytest.fixture
def track(tmp_path: Path) -> Path:
    """Three and a half patches of noise."""
    return encode(tmp_path / "a.wav", noise(80 * 35 + 120) // 4, sr=SR)


def samples(path: Path, sr: int) -> NDArray[np.float32]:
    y = np.concatenate(list(sound.blocks(path, sr=sr)))
    return y.astype(np.float32) / np.float32(32_768)


def log_mel(y: NDArray[np.float32], *, power: int = 1) -> NDArray[np.float64]:
    """Frame by frame, band by band: ``(n_frames, n_mels)``."""

    def to_mel(hz: float) -> float:
        return float(2595 * np.log10(1 + hz / 700))

    edges = 700 * (10 ** (np.linspace(to_mel(100), to_mel(3_600), 14) / 2595) - 1)
    hz = np.arange(129) * SR / 256
    rows = []
    for start in range(0, len(y) - 199, 80):
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(200) / 200)
        padded = np.concatenate([y[start : start + 200] * window, np.zeros(56)])
        spectrum = np.abs(np.fft.rfft(padded)) ** power
        bands = []
        for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
            rise, fall = (hz - low) / (middle - low), (high - hz) / (high - middle)
            bands.append(spectrum @ np.maximum(0, np.minimum(rise, fall)))
        rows.append(np.log(np.array(bands) + 0.01))
    return np.array(rows)


# ONNX ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch", ["n", 1])
def test_an_onnx_network_is_fed_with_patches(
    tmp_path: Path, track: Path, layout: str, batch: int | str
) -> None:
    weights = network(tmp_path / "net.onnx", layout, batch=batch)
    maker = embeddings.maker(str(tmp_path / "net.onnx"))
    found = maker.patches(track)
    mel = log_mel(samples(track, SR))
    assert len(mel) == 35
    whole = mel[:30].reshape(3, 10, 12)
    fed = whole.transpose(0, 2, 1) if layout == "nft" else whole
    assert found.dtype == np.float32
    assert maker.n_dims == N_DIMS
    assert maker.patch_duration_s == 0.1
    # Values up to 54; measured: 1.2e-5.
    np.testing.assert_allclose(found, fed.reshape(3, -1) @ weights, rtol=0, atol=1e-4)


def test_patches_of_other_descriptions(track: Path) -> None:
    y = samples(track, SR)
    mel, powers = log_mel(y), log_mel(y, power=2)

    def made(**keys: Any) -> NDArray[np.float32]:
        params = PatchSpectrogram(**{**KEYS, **keys})
        return patches.patch_spectrograms(y, params, patches.filterbank(params))

    def check(found: NDArray[np.float32], expected: NDArray[np.float64]) -> None:
        # Logarithms; measured: 6e-7.
        np.testing.assert_allclose(found, expected, rtol=0, atol=5e-6)

    overlapping = made(hop_frames=5)
    assert len(overlapping) == 6
    for i, patch in enumerate(overlapping):
        check(patch, mel[5 * i : 5 * i + 10])
    check(made(power=2)[1], powers[10:20])
    decibels = made(compression="db", power=2)[0]
    check(decibels / 10 * np.log(10), powers[:10])
    check(np.log(made(compression="linear")[0] + 0.01), mel[:10])
    flat = made(window="rectangular", fmin=0, fmax=4_000, compression="linear", mel="slaney")
    assert (flat > 0).all()


def test_a_short_sound_repeats_itself() -> None:
    params = PatchSpectrogram(**KEYS)
    y = np.random.default_rng(0).normal(0, 0.1, 80 * 3).astype(np.float32)
    found = patches.patch_spectrograms(y, params, patches.filterbank(params))
    assert found.shape == (1, 10, 12)
    np.testing.assert_array_equal(found[0, :6], found[0, 3:9])


def test_a_long_sound_is_computed_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    params = PatchSpectrogram(**KEYS)
    bank = patches.filterbank(params)
    y = np.random.default_rng(0).normal(0, 0.1, SR).astype(np.float32)
    whole = patches.patch_spectrograms(y, params, bank)
    monkeypatch.setattr(patches, "_CHUNK", 7)
    # The order of sums may differ; measured: 0.
    found = patches.patch_spectrograms(y, params, bank)
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"colour": 1}, "unknown key 'colour'"),
        ({"sr": None}, "sr must be a whole number"),
        ({"sr": 8_000.5}, "sr must be a whole number"),
        ({"n_mels": True}, "n_mels must be a whole number"),
        ({"hop_frames": 0}, "hop_frames must be a whole number"),
        ({"n_fft": 128}, "n_fft must not be below"),
        ({"fmax": 5_000}, "fmin < fmax"),
        ({"fmin": "low"}, "fmin must be a number"),
        ({"window": "hamming"}, "unknown window"),
        ({"power": 3}, "power must be"),
        ({"mel": "bark"}, "unknown mel"),
        ({"compression": "sqrt"}, "unknown compression"),
        ({"offset": 0}, "need an offset"),
        ({"layout": "nt"}, "layout must have"),
        ({"layout": 7}, "layout must have"),
        ({"layout": "nttf"}, "layout must have"),
        ({"input": 3}, "input must be a name"),
        ({"input": "else"}, "has the inputs"),
        ({"output": "else"}, "has the outputs"),
        ({"n_mels": 100}, "100 mel bands are too many"),
        ({"n_mels": 13}, "does its description fit"),
        ({"layout": "ntf"}, "does its description fit"),
    ],
    ids=str,
)
def test_descriptions_that_do_not_fit(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    network(tmp_path / "net.onnx", "n1tf")
    description = {**KEYS, **keys}
    (tmp_path / "net.json").write_text(json.dumps(description))
    with pytest.raises((ParameterError, CheckpointError), match=message):
        embeddings.maker(str(tmp_path / "net.onnx"))


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(ParameterError, match=r"net\.json: an ONNX file needs a description"):
        embeddings.maker(str(path))
    network(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r"net\.onnx: not an ONNX network"):
        embeddings.maker(str(path))
    path.unlink()
    with pytest.raises(CheckpointError, match=r"net\.onnx: cannot be read"):
        embeddings.maker(str(path))
    for text, message in (("[1]", "not a JSON object"), ('{"sr": 1}', "'fmax' is missing")):
        path.with_suffix(".json").write_text(text)
        with pytest.raises(ParameterError, match=message):
            embeddings.maker(str(path))
    path.with_suffix(".json").write_text("{")
    with pytest.raises(ParameterError, match="needs a description"):
        embeddings.maker(str(path))
    with pytest.raises(ParameterError, match="no frozen network 'nothing'"):
        embeddings.maker("nothing")


def test_an_output_of_another_shape(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    network(path)
    model = onnx.load(path)
    del model.graph.node[:]
    model.graph.node.append(helper.make_node("Identity", ["sound"], ["embedding"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("embedding", 1, None))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match=r"\(1, 1, 10, 12\).*name the right output"):
        embeddings.maker(str(path))


def test_numbers_that_are_not_finite_fail_for_their_file(tmp_path: Path, track: Path) -> None:
    """A network that takes logarithms of numbers below 0."""
    path = tmp_path / "net.onnx"
    network(path, compression="linear")
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("Log", ["embedding"], ["logs"]))
    model.graph.output[0].name = "logs"
    path.write_bytes(model.SerializeToString())
    maker = embeddings.maker(str(path))
    with pytest.raises(AudioDecodeError, match=r"a\.wav: .*net\.onnx gives numbers"):
        maker.patches(track)


def test_fingerprints_tell_networks_apart(tmp_path: Path) -> None:
    network(tmp_path / "a.onnx")
    network(tmp_path / "b.onnx", compression="db")
    network(tmp_path / "c.onnx")
    a, b, c = (embeddings.maker(str(tmp_path / f"{name}.json")).fingerprint for name in "abc")
    assert a == c != b


def test_pieces_of_patches(tmp_path: Path, track: Path) -> None:
    network(tmp_path / "net.onnx")
    all_patches = embeddings.maker(str(tmp_path / "net.onnx")).patches(track)
    params = inputs.embeddings(str(tmp_path / "net.onnx"))
    assert params.shape == (30, N_DIMS)
    assert params.piece_duration_s == pytest.approx(3.0)
    (found,) = inputs.pieces(track, params)
    np.testing.assert_array_equal(found, np.tile(all_patches, (10, 1)))
    short = dataclasses.replace(params, n_patches=2)
    np.testing.assert_array_equal(inputs.pieces(track, short), all_patches[None, :2])
    x, failures = inputs.load([track], short, k=2, cache=tmp_path / "cache")
    assert not failures
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x[0], np.stack([all_patches[:2]] * 2))


# The project's own networks -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["default", "thesis"])
def test_patches_of_a_shipped_network(tmp_path: Path, name: str) -> None:
    network = preprocessor.load(name)
    maker = embeddings.maker(name)
    duration_s = network.params.fragment_duration_s
    path = sounds.noise(tmp_path / "a.wav", 2.5 * duration_s)
    found = maker.patches(path)
    fragments = np.concatenate(list(spectrogram.fragments(path, network.params)))
    assert len(fragments) == 2
    per_fragment = round(duration_s / maker.patch_duration_s)
    whole = embeddings.steps(network, fragments)
    assert whole.shape == (2, per_fragment, maker.n_dims)
    np.testing.assert_array_equal(found[: 2 * per_fragment], whole.reshape(-1, maker.n_dims))
    # The half fragment that is left, which no repeated sound has reached.
    assert len(found) == 2 * per_fragment + per_fragment // 2
    assert maker.fingerprint == network.fingerprint
    assert np.isfinite(found).all()
    assert found.std() > 0
    weights = resources.files("recommender") / f"weights/{name}.safetensors"
    with resources.as_file(weights) as file:
        again = embeddings.maker(str(file))
    assert again.fingerprint == maker.fingerprint


def test_steps_are_the_features_in_another_order() -> None:
    network = preprocessor.load("thesis")
    params = network.params
    rng = np.random.default_rng(0)
    fragments = rng.uniform(-1, 1, (3, params.n_frames, params.n_mels)).astype(np.float32)
    found = embeddings.steps(network, fragments)
    assert found.shape == (3, 15, 128)
    np.testing.assert_array_equal(found.transpose(0, 2, 1).reshape(3, -1), network(fragments))
    # A change of the last frames changes the last steps only.
    fragments[:, -4:] = 0
    changed = (embeddings.steps(network, fragments) != found).any((0, 2))
    assert not changed[:12].any()
    assert changed[-1]


@pytest.mark.parametrize("name", ["default", "thesis"])
def test_features_are_pieces_of_a_fragment(tmp_path: Path, name: str) -> None:
    network, params = preprocessor.load(name), InputParams(kind="features", embedding=name)
    path = sounds.noise(tmp_path / "a.wav", 20)
    y = np.concatenate(list(sound.blocks(path, sr=SR_44K)))
    expected = network.transform(y)
    assert params.shape == (1, network.n_features)
    assert params.piece_duration_s == 8
    assert params.version == network.fingerprint
    found = inputs.pieces(path, params)
    assert found.shape == (2, 1, network.n_features)
    # Sums may be grouped differently. Measured: 0.
    np.testing.assert_allclose(found[:, 0], expected, rtol=0, atol=1e-5)
    x, failures = inputs.load([path], params, k=3, cache=tmp_path / "cache")
    assert not failures
    np.testing.assert_array_equal(x[0], found[[0, 1, 0]])  # the first again
    with pytest.raises(AudioDecodeError, match=r"b\.wav: too short"):
        inputs.pieces(sounds.tone(tmp_path / "b.wav", 0.01), params)


def test_features_of_what_is_not_there(tmp_path: Path) -> None:
    for name in ("nothing", str(tmp_path / "a.safetensors")):
        with pytest.raises(CheckpointError, match=f"{name}: there is no such file"):
            embeddings.features(name)
    with pytest.raises(ParameterError, match="need a network"):
        InputParams(kind="features")


def test_too_short_for_a_shipped_network(tmp_path: Path) -> None:
    path = sounds.tone(tmp_path / "a.wav", 0.01)
    with pytest.raises(AudioDecodeError, match="too short"):
        embeddings.maker("thesis").patches(path)
