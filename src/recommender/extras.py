"""Libraries that optional extras bring, imported when they are used."""

import importlib
from types import ModuleType

from recommender.errors import ParameterError


def need(module: str, extra: str) -> ModuleType:
    """Import a module that an optional extra of this project brings.

    Parameters
    ----------
    module : str
        Dotted name, such as "sklearn.svm".
    extra : str
        "lab", "ray" or "web".

    Raises
    ------
    ParameterError
        If it cannot be imported; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ParameterError(
            f"this needs {module.partition('.')[0]}, which cannot be imported ({error}):"
            f" pip install 'recommender[{extra}]'"
        ) from None
