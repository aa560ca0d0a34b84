"""Past one machine, on a cluster of Ray: features of very many files, scores of many profiles.

Files are told to all machines by the same paths, or by URLs of object storage; results lie in
shards, see `shards`. Losing a machine costs time alone, and a file that ends the process that works
on it costs that file. The arithmetic is that of one machine.
"""

from recommender.distributed.decoding import decode
from recommender.distributed.extracting import extract
from recommender.distributed.importing import Imported, import_shards
from recommender.distributed.listing import Listing, list_files
from recommender.distributed.ranking import scoring_nodes
from recommender.distributed.scanning import Nodes
from recommender.distributed.scoring import Scored, score
from recommender.distributed.shards import Shard, Shards, open_shards
from recommender.distributed.training import Trained, train

__all__ = [
    "Imported",
    "Listing",
    "Nodes",
    "Scored",
    "Shard",
    "Shards",
    "Trained",
    "decode",
    "extract",
    "import_shards",
    "list_files",
    "open_shards",
    "score",
    "scoring_nodes",
    "train",
]
