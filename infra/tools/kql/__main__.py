"""Run the check as a command."""

from infra.tools.kql.check import main

if __name__ == "__main__":
    raise SystemExit(main())
