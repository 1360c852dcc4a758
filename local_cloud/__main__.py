"""`python -m local_cloud`."""

from local_cloud.lasting_imports import lasting_imports


def main() -> None:
    """Run the command line."""
    with lasting_imports():
        from local_cloud import cli
    cli.main()


if __name__ == "__main__":
    main()
