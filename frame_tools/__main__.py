"""Entry point of `impasto` and `python -m frame_tools`."""

import sys

from frame_tools.contracts.errors import ExitCode
from frame_tools.lasting_imports import lasting_imports


def main() -> None:
    """Run the command line; Ctrl-C while it is imported or while it ends is no defect, either."""
    try:
        _run()
    except KeyboardInterrupt:
        raise SystemExit(ExitCode.INTERRUPTED) from None


def _run() -> None:
    """Run the command line, beside the local cloud if the command needs one of its own."""
    with lasting_imports():
        from frame_tools.cli.temporary_cloud import early_cloud
    with early_cloud(sys.argv[1:]):
        with lasting_imports():
            from frame_tools.cli import main as command_line
        command_line.main()


if __name__ == "__main__":
    main()
