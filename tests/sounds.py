"""Sound files for tests, synthesised by ffmpeg; the name's suffix chooses the format."""

import subprocess
from pathlib import Path

from recommender import audio


def tone(
    path: Path,
    duration_s: float = 9.0,
    *,
    hz: float = 440.0,
    sr: int = 44_100,
    layout: str = "mono",
) -> Path:
    """Write a sine; layouts are ffmpeg's, such as "stereo" and "5.1"."""
    source = f"sine=frequency={hz}:sample_rate={sr}:duration={duration_s}"
    return make(path, source, "-af", f"aformat=channel_layouts={layout}")


def noise(path: Path, duration_s: float = 9.0, *options: str) -> Path:
    """Write pink noise, no piece of which sounds like another; options are ffmpeg's."""
    source = f"anoisesrc=color=pink:amplitude=0.4:seed=1:sample_rate=44100:duration={duration_s}"
    return make(path, source, *options)


def silence(path: Path, duration_s: float = 9.0) -> Path:
    """Write digital silence."""
    return make(path, f"anullsrc=channel_layout=mono:sample_rate=44100:duration={duration_s}")


def film(path: Path, duration_s: float = 1.0) -> Path:
    """Write moving pictures without sound."""
    return make(path, f"testsrc=size=64x64:rate=5:duration={duration_s}")


def make(path: Path, source: str, *options: str) -> Path:
    """Write what a source of ffmpeg's "lavfi" gives, and create the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [audio.ffmpeg_exe(), "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", source]
    subprocess.run([*command, *options, f"file:{path}"], check=True)
    return path
