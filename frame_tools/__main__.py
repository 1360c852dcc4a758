"""Entry point of `python -m frame_tools`."""

from frame_tools.cli.main import main

if __name__ == "__main__":
    main()
