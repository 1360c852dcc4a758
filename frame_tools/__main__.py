"""Entry point of `impasto` and `python -m frame_tools`."""

from frame_tools.lasting_imports import lasting_imports


def main() -> None:
    """Run the command line."""
    with lasting_imports():
        from frame_tools.cli import main as command_line
    command_line.main()


if __name__ == "__main__":
    main()
