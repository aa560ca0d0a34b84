"""Contenders in C and C++: compiled when they are set up, against the headers that are there."""

import ctypes
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peers.contender import Absent

_HERE = Path(__file__).parent
_LIBAV = ("libavformat", "libavcodec", "libavutil")
_LONGEST_FRAME = 1 << 16  # samples that a decoder may give at once
_FLOATS = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS")

MelByFrame = Callable[
    [NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]
]


def kissfft_mel() -> MelByFrame:
    """Build the plain loop around KissFFT; see `mel_by_frame` in by_frame.cpp."""
    return _mel_by_frame("kissfft-float")


def eigen_mel() -> MelByFrame:
    """Build the plain loop around Eigen's FFT module."""
    return _mel_by_frame("eigen3", "-DWITH_EIGEN")


def libav_loop() -> Callable[[Path], int]:
    """Build a loop of libavcodec that decodes a file to mono, and returns its number of samples.

    Raises
    ------
    Absent
        If there is no compiler, or no headers of libav.
    """
    library = _build("cc", "libav_loop.c", _LIBAV)
    library.decode_mono.argtypes = [ctypes.c_char_p, _FLOATS, ctypes.c_int]
    library.decode_mono.restype = ctypes.c_long
    buffer = np.empty(_LONGEST_FRAME, np.float32)

    def decode(path: Path) -> int:
        n = int(library.decode_mono(bytes(path), buffer, buffer.size))
        if n < 0:
            raise RuntimeError(f"{path}: libav gave error {n}")
        return n

    return decode


def versions() -> dict[str, str]:
    """Versions of the compiler and of the libraries that contenders are compiled against."""
    found = {}
    if compiler := shutil.which("c++"):
        found["c++"] = _run([compiler, "--version"]).splitlines()[0]
    if shutil.which("pkg-config"):
        for package in ("kissfft-float", "eigen3", "libavformat", "libavcodec"):
            done = subprocess.run(
                ["pkg-config", "--modversion", package], capture_output=True, text=True
            )
            if done.returncode == 0:
                found[package] = done.stdout.strip()
    return found


def _mel_by_frame(package: str, *flags: str) -> MelByFrame:
    library = _build("c++", "by_frame.cpp", [package], *flags)
    size = ctypes.c_size_t
    library.mel_by_frame.argtypes = [_FLOATS, size, size, _FLOATS, _FLOATS, size, size, _FLOATS]
    library.mel_by_frame.restype = None

    def mel(
        frames: NDArray[np.float32], window: NDArray[np.float32], filterbank: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        out = np.empty((len(frames), len(filterbank)), np.float32)
        library.mel_by_frame(frames, *frames.shape, window, filterbank, *filterbank.shape, out)
        return out

    return mel


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="peers-")


def _build(compiler: str, source: str, packages: Iterable[str], *flags: str) -> ctypes.CDLL:
    for program in (compiler, "pkg-config"):
        if shutil.which(program) is None:
            raise Absent(f"there is no {program}")
    packages = list(packages)
    found = subprocess.run(
        ["pkg-config", "--cflags", "--libs", *packages], capture_output=True, text=True
    )
    if found.returncode:
        raise Absent(f"pkg-config does not find {' '.join(packages)}")
    built = Path(_folder().name, f"{packages[0]}.so")
    common = ["-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-o", str(built)]
    _run([compiler, *common, *flags, str(_HERE / source), *found.stdout.split()])
    return ctypes.CDLL(str(built))


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
