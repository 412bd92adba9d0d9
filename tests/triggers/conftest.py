from tests.triggers.polling_triggers import key_hook
from tests.triggers.waiting import impatient
from tests.triggers.watching import keys, prompt

__all__ = ["impatient", "key_hook", "keys", "prompt"]
