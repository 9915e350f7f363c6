"""``python -m der_console``."""

from der_console.main import main

if __name__ == "__main__":
    main()
