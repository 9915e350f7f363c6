"""What holds for every test."""

from hypothesis import settings

# A machine that is busy is no defect: property tests have no time limit of their own (pytest-timeout has).
settings.register_profile("der", deadline=None)
settings.load_profile("der")
