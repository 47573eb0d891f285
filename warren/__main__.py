"""`python -m warren` is the same command as `warren`."""

from warren.cli import main

if __name__ == "__main__":
    main()
