"""A process that decodes: it answers requests on its standard input until that is closed.

Run as a file, so that it imports PyAV alone: 30 MB, and ready within a tenth of a second. It speaks
in messages of one letter, a length of four bytes and as many bytes: R ready, B block of samples,
S start of a window, H hash, X error, G gave up on what follows, D done.
"""

import contextlib
import hashlib
import json
import math
import os
import select
import signal
import struct
import sys
import threading
from collections.abc import Iterator
from typing import Any

import av
import av.error
import av.filter

_BLOCK_SAMPLES = 352_800  # eight seconds at 44.1 kHz: whole batches of frames, so no copying
_SAMPLE_BYTES = 2
_PREROLL_S = 0.2  # what decoders need before their output is right: MP3 up to 6 frames
_FARTHEST_S = 10.0  # what may be decoded before a window; Matroska's clusters last up to 5 s
_ENDS = (av.error.EOFError, av.error.BlockingIOError)
# "file:" keeps names such as "http:x" from meaning anything; the whitelists keep a playlist that is
# called .mp3 from reaching the network, and other files. The second is told at the start.
_only_files = {"protocol_whitelist": "file"}


def send(kind: bytes, content: Any = b"") -> None:
    """Write a message; a pipe takes all of a few bytes, but more of them in parts."""
    os.write(1, struct.pack("<cI", kind, len(content)))
    n_written = 0
    while n_written < len(content):
        n_written += os.write(1, content[n_written:])


def send_blocks(path: str, sr: int) -> None:
    """Send all samples of the first audio stream.

    The loop over packets runs inside libavfilter: in Python it costs half as much again.
    """
    graph = av.filter.Graph()
    source = graph.add(
        "amovie",
        filename=f"file:{path}",
        streams="a:0",
        dec_threads="1",
        format_opts=":".join(f"{name}={value}" for name, value in _only_files.items()),
    )
    sink = _mono(graph, source, sr)
    while True:
        try:
            frame = sink.pull()
        except _ENDS:
            return
        except av.error.InvalidDataError:
            continue  # one packet is damaged
        except av.error.FFmpegError:  # other channels or another rate; some decoders' own errors
            send(b"G")
            return
        send(b"B", memoryview(frame.planes[0])[: frame.samples * _SAMPLE_BYTES])


def send_windows(path: str, sr: int, starts: list[int], length: int) -> None:
    """Send windows of `length` samples, each reached by seeking, but none beyond the end."""
    with av.open(f"file:{path}", options=_only_files) as container:
        stream = container.streams.audio[0]
        stream.codec_context.thread_count = 1
        base = stream.time_base
        assert base is not None
        begin_s = float((stream.start_time or 0) * base)
        for start in starts:
            wanted_s = begin_s + start / sr
            if start > _PREROLL_S * sr:  # else it stands there, before what comes before the music
                try:
                    container.seek(round((wanted_s - _PREROLL_S) / base), stream=stream)
                except av.error.FFmpegError:  # there is no seeking in this file
                    return
            end_s, longest_s = wanted_s + length / sr, length / sr + _FARTHEST_S
            first_s, samples = _decode_until(container, stream, end_s, longest_s, sr)
            skipped = round((wanted_s - first_s) * sr) * _SAMPLE_BYTES
            window = samples[max(0, skipped) :][: length * _SAMPLE_BYTES]
            if skipped >= 0 and len(window) == length * _SAMPLE_BYTES:
                send(b"S", struct.pack("<q", start))
                send(b"B", memoryview(window))


def send_hash(path: str) -> None:
    """Send the SHA-256 of the packets of the first audio stream."""
    digest = hashlib.sha256()
    with av.open(f"file:{path}", options=_only_files) as container:
        n_packets = 0
        for packet in _packets(container, container.streams.audio[0]):
            if packet.size:
                digest.update(packet)
                n_packets += 1
    if n_packets:
        send(b"H", digest.hexdigest().encode())


def answer(request: dict[str, Any]) -> None:
    """Do what a request asks for; what libav says against it is sent back."""
    path, what = request["path"], request["what"]
    try:
        if what == "blocks":
            send_blocks(path, request["sr"])
        elif what == "windows":
            send_windows(path, request["sr"], request["starts"], request["length"])
        else:
            send_hash(path)
    except (av.error.FFmpegError, IndexError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        reason = reason if _has_sound(path) else "matches no streams"
        send(b"X", reason.encode(errors="replace"))
    send(b"D")


def _has_sound(path: str) -> bool:
    try:
        with av.open(f"file:{path}", options=_only_files) as container:
            return bool(container.streams.audio)
    except av.error.FFmpegError:
        return True  # who knows


def _mono(graph: av.filter.Graph, source: Any, sr: int) -> Any:
    """Mix and resample as ffmpeg's command does, into large frames; returns the sink."""
    shape = {"sample_fmts": "s16", "sample_rates": str(sr), "channel_layouts": "mono"}
    chain = [
        source,
        graph.add("aformat", **shape),
        graph.add("asetnsamples", n=str(_BLOCK_SAMPLES), p="0"),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*chain).configure()
    return chain[-1]


def _decode_until(
    container: Any, stream: Any, end_s: float, longest_s: float, sr: int
) -> tuple[float, bytes]:
    """Decode from where the container stands; when the first sample is due, and all samples."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(template=stream)
    sink = _mono(graph, source, sr)
    first_s, n_left = None, 1
    for frame in _frames(container, stream):
        if first_s is None:
            if (first_s := frame.time) is None or end_s - first_s > longest_s:
                break  # it landed nowhere, or too far off to be worth it
            n_left = math.ceil((end_s - first_s) * frame.sample_rate)
        try:
            source.push(frame)
        except (av.error.PatchWelcomeError, ValueError):  # other channels or another rate
            break
        n_left -= frame.samples
        if n_left <= 0:
            break
    source.push(None)
    parts: list[bytes] = []
    while True:
        try:
            frame = sink.pull()
        except _ENDS:
            return (first_s or 0.0), b"".join(parts)
        parts.append(bytes(frame.planes[0])[: frame.samples * _SAMPLE_BYTES])


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    for packet in _packets(container, stream):
        try:
            yield from stream.codec_context.decode(packet)
        except av.error.FFmpegError:
            continue  # it is damaged


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """Read packets up to what is no packet: there a file that was cut off ends, as for ffmpeg."""
    with contextlib.suppress(av.error.InvalidDataError):
        yield from container.demux(stream)


def _end_with_the_program() -> None:
    """Wait until nobody can ask any more: then what is being done is for nobody either."""
    requests = select.poll()
    requests.register(0, 0)  # hang-ups are told unasked
    requests.poll()
    os._exit(1)


def main() -> None:
    """Answer requests, a line of JSON each; the first argument names the kinds of files."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_program, daemon=True).start()
    _only_files["format_whitelist"] = sys.argv[1]
    send(b"R")
    with open(0, "rb", buffering=0) as requests:
        for line in requests:
            answer(json.loads(line))


if __name__ == "__main__":
    main()
