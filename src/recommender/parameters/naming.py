"""Fingerprints: names of ways of making something."""

import dataclasses
import hashlib
import json


def fingerprint(*parts: object) -> str:
    """Name of a way of making something: 16 hexadecimal digits, equal only for equal parts.

    Parameters
    ----------
    *parts
        Dataclasses, or anything that JSON can hold.
    """
    plain = [dataclasses.asdict(p) if dataclasses.is_dataclass(p) else p for p in parts]  # type: ignore[arg-type]
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
