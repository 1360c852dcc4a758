"""Entry point of `impasto` and `python -m frame_tools`."""

import sys

from frame_tools.lasting_imports import lasting_imports


def main() -> None:
    """Run the command line, beside the local cloud if the command needs one of its own."""
    with lasting_imports():
        from frame_tools.cli.temporary_cloud import early_cloud
    with early_cloud(sys.argv[1:]):
        with lasting_imports():
            from frame_tools.cli import main as command_line
        command_line.main()


if __name__ == "__main__":
    main()
