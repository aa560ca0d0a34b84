"""Whether files are gone, or merely out of sight."""

import os
from pathlib import Path


def is_gone(path: Path | str) -> bool:
    """Tell whether a path certainly exists no more: not merely out of sight."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def is_away(folder: Path | str) -> bool:
    """Tell whether a folder is missing or empty, as a drive's folder is that is not there now."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except PermissionError:
        return False
    except OSError:  # also of a network drive that does not answer
        return True
