"""The web page and the API behind it: listen, judge, see why.

FastAPI over the same functions as the command line. What takes long runs in a process of its own,
one job at a time; see `recommender.web.jobs`.
"""
