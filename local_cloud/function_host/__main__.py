"""Entry point of `python -m local_cloud.function_host host start --port 7071`, run in the app's folder."""

from local_cloud.lasting_imports import lasting_imports


def main() -> None:
    """Run the command line."""
    with lasting_imports():
        from local_cloud.function_host import cli
    cli.main()


if __name__ == "__main__":
    main()
