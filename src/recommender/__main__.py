"""``python -m recommender`` is the command, where the script is not on the path."""

from recommender.cli import main

if __name__ == "__main__":
    main()
