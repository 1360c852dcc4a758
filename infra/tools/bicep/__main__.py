"""`python -m infra.tools.bicep`."""

from infra.tools.bicep.check import main

if __name__ == "__main__":
    raise SystemExit(main())
