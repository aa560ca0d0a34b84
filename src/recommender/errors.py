"""The errors that this project raises on purpose; each message says what, where, and what to do."""


class RecommenderError(Exception):
    """Base of all errors below; the command line prints its message and nothing else."""


class ParameterError(RecommenderError, ValueError):
    """A parameter has a value that makes no sense."""


class AudioDecodeError(RecommenderError):
    """A file could not be turned into sound."""


class CueError(RecommenderError):
    """A CUE sheet cannot be read, or is damaged."""


class DatasetError(RecommenderError):
    """A spectrogram dataset is missing, damaged, or was made with other parameters."""


class CheckpointError(RecommenderError):
    """A file of weights is damaged, or does not fit what it is used for."""


class LibraryError(RecommenderError):
    """The library's database cannot be used."""


class PlaylistError(RecommenderError):
    """A playlist cannot be read, or holds nothing that can be used."""


class ProfileError(RecommenderError):
    """A profile is missing, damaged, or does not fit the library."""


class DistributedError(RecommenderError):
    """A cluster cannot be used, or shards that were made on one are missing or damaged."""
