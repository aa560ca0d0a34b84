"""Checks that all parameters share."""

from recommender.errors import ParameterError


def require(condition: bool, message: str) -> None:
    """Raise a `ParameterError` unless the condition holds."""
    if not condition:
        raise ParameterError(message)
