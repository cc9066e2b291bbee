"""`python -m txn`."""

from txn.cli.app import main

if __name__ == "__main__":
    main()
