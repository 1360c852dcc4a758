"""`python -m infra.tools.autoscale`."""

from infra.tools.autoscale.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
