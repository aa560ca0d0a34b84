"""Candidates for the preprocessor, compared by their frozen features alone."""
