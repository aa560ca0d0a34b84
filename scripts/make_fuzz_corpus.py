"""Write the files that fuzzing starts from: small WAV files of every kind, and parameters.

``python scripts/make_fuzz_corpus.py build/seeds`` writes the folders ``wav``, ``stream`` and
``fft``. The corpus in the repository is what coverage keeps of them and of a campaign's findings::

    build/fuzz/fuzz_wav -merge=1 cpp/fuzz/corpus/wav build/seeds/wav build/fuzz/found/wav
"""

import random
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE


def chunk(tag: bytes, body: bytes, size: int | None = None) -> bytes:
    """Return a RIFF chunk, padded to an even size; `size` may differ from what is there."""
    size = len(body) if size is None else size
    return tag + struct.pack("<I", size) + body + b"\0" * (len(body) % 2)


def form(tag: int, channels: int, bits: int, *, align: int | None = None) -> bytes:
    """Return the body of a plain fmt chunk."""
    align = channels * bits // 8 if align is None else align
    return struct.pack("<HHIIHH", tag, channels, 8_000, 8_000 * align, align, bits)


def extensible(sub_format: int, channels: int, bits: int, mask: int) -> bytes:
    """Return the body of an extensible fmt chunk."""
    tail = struct.pack("<HHIH", 22, bits, mask, sub_format) + GUID_TAIL
    return form(EXTENSIBLE, channels, bits) + tail


def riff(*chunks: bytes, container: bytes = b"RIFF") -> bytes:
    """Return a file of these chunks."""
    body = b"WAVE" + b"".join(chunks)
    return container + struct.pack("<I", len(body)) + body


def wav_seeds(rng: random.Random) -> Iterator[bytes]:
    """Yield whole files of every sample format, and damaged ones."""
    formats = [(PCM, bits) for bits in (8, 16, 24, 32)] + [(FLOAT, 32), (FLOAT, 64)]
    for tag, bits in formats:
        for channels, mask in ((1, 0), (2, 3), (3, 0), (6, 0x3F), (9, 0)):
            data = chunk(b"data", rng.randbytes(5 * channels * bits // 8))
            yield riff(chunk(b"fmt ", form(tag, channels, bits)), data)
            yield riff(chunk(b"fmt ", extensible(tag, channels, bits, mask)), data)
    stereo = chunk(b"fmt ", form(PCM, 2, 16)), chunk(b"data", rng.randbytes(20))
    yield riff(chunk(b"LIST", b"odd"), *stereo)
    yield riff(stereo[1], chunk(b"fact", bytes(5)), stereo[0])
    for size in (0, 9, 0xFFFFFFFF):
        yield riff(stereo[0], chunk(b"data", bytes(8), size=size), chunk(b"LIST", b"abcd"))
    for size in (8, 2**63):
        ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, size, 0, 0))
        streamed = chunk(b"data", rng.randbytes(8), size=0xFFFFFFFF)
        yield riff(ds64, stereo[0], streamed, container=b"RF64")
        yield riff(ds64, stereo[0], streamed, container=b"BW64")
    for broken in (form(2, 1, 4, align=256), form(7, 1, 8), form(PCM, 0, 16), form(PCM, 1, 16)[:9]):
        yield riff(chunk(b"fmt ", broken), stereo[1])
    yield riff(container=b"RIFX")
    yield riff(chunk(b"JUNK", b"", size=0xFFFFFFF0), *stereo)


def stream_seeds(rng: random.Random) -> Iterator[bytes]:
    """Yield parameters and blocks, in the order in which fuzz_stream.cpp draws them."""
    for choices in range(16):
        # frame, hop, fragment, n_frames, n_bins, n_mels, bin_hz, fmin, fmax, range_db; the number
        # drawn is the lowest allowed value plus these.
        numbers = rng.choice([(31, 31, 99), (15, 7, 63), (12, 19, 89), (30, 9, 9), (28, 28, 28)])
        rest = (15, numbers[0] // 2, 4, 15_999, 0, 59_999, 799)
        content = struct.pack("<10HBB", *numbers, *rest, choices, choices)
        for _ in range(6):
            kind = rng.randrange(256)
            n_drawn = rng.randrange(1, 9)
            content += struct.pack("<BH", kind, n_drawn - 1)
            content += rng.randbytes((1, 1, 4)[kind % 3] * n_drawn)
            content += struct.pack("<H", rng.randrange(81))
        yield content


def fft_seeds(rng: random.Random) -> Iterator[bytes]:
    """Yield lengths with every kind of factor."""
    for n in (1, 2, 3, 4, 5, 7, 8, 11, 12, 15, 16, 25, 30, 36, 49, 64, 97, 105, 121, 127, 128, 137):
        for kernels in range(3):
            yield struct.pack("<HBH", n - 1, kernels, rng.randrange(33)) + rng.randbytes(40)


def main(folder: Path) -> None:
    """Write all seeds below `folder`."""
    seeds = {"wav": wav_seeds, "stream": stream_seeds, "fft": fft_seeds}
    for name, make in seeds.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i, content in enumerate(make(random.Random(0))):
            (folder / name / f"seed{i:03}").write_bytes(content)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_fuzz_corpus.py FOLDER")
    main(Path(sys.argv[1]))
