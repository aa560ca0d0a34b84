"""What recommends best: ways to score candidates, and how they are compared."""
