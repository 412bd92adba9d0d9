from tests.triggers.buckets import bucket, front, polls
from tests.triggers.manager import manager
from tests.triggers.polling_triggers import key_hook
from tests.triggers.waiting import impatient
from tests.triggers.watching import keys, prompt

__all__ = ["bucket", "front", "impatient", "key_hook", "keys", "manager", "polls", "prompt"]
