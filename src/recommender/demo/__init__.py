"""The demonstration's music, synthesised: trying the recommender needs no recordings."""
