"""``python -m shac``."""

from shac.cli import main

if __name__ == "__main__":
    main()
