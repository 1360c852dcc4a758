"""`python -m benchmarks.scoring`."""

from benchmarks.scoring.cli import app

if __name__ == "__main__":
    app()
