"""Entry point of `impasto-node` and `python -m scoring`."""

from frame_tools.lasting_imports import lasting_imports


def main() -> None:
    """Run the command line."""
    with lasting_imports():
        from scoring import cli as command_line
    command_line.main()


if __name__ == "__main__":
    main()
