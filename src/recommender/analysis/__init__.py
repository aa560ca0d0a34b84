"""Scan folders and fill the library: parallel, incremental, resumable; one bad file costs one file.

What is unchanged is only looked at. What is new under its path is hashed without being decoded;
only a recording that the library does not hold is decoded. Each result is written as soon as it is
there, so that an interrupted scan goes on where it stopped.
"""

from recommender.analysis.listening import Extractor
from recommender.analysis.records import Progress, ScanReport
from recommender.analysis.scanning import scan
from recommender.analysis.sections import Options
from recommender.analysis.work import Workers

__all__ = ["Extractor", "Options", "Progress", "ScanReport", "Workers", "scan"]
