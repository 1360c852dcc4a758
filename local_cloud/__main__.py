"""`python -m local_cloud`."""

from local_cloud.cli import main

if __name__ == "__main__":
    main()
