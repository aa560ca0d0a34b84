"""Job two: score the tracks of a library for one profile or several, and choose among them."""

from recommender.ranking.listing import Order, Ranked, rank
from recommender.ranking.never import Never, NeverFile
from recommender.ranking.scoring import Run, Task, check_blend

__all__ = ["Never", "NeverFile", "Order", "Ranked", "Run", "Task", "check_blend", "rank"]
