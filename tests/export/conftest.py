from tests.triggers.waiting import impatient

__all__ = ["impatient"]
