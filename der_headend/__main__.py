"""``python -m der_headend``."""

from der_headend.main import main

main()
