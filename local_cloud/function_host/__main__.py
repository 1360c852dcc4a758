"""Entry point of `python -m local_cloud.function_host host start --port 7071`, run in the app's folder."""

from local_cloud.function_host.cli import main

if __name__ == "__main__":
    main()
