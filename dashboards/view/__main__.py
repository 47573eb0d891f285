"""``python -m dashboards.view``: what the container of the preview runs."""

from dashboards.view.cli import main

if __name__ == "__main__":
    main()
