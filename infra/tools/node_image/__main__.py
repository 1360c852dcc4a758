"""`python -m infra.tools.node_image`."""

from infra.tools.node_image.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
