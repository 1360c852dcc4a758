"""Entry point of `python -m local_cloud.batch_service`; see `cli.py`."""

from local_cloud.lasting_imports import lasting_imports


def main() -> None:
    """Run the command line."""
    with lasting_imports():
        from local_cloud.batch_service import cli
    cli.app()


if __name__ == "__main__":
    main()
