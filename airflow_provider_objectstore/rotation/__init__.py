"""
Rotate the S3 credential behind object stores.

``rotation`` runs the steps in order. ``state`` reads what is there, ``strategies`` give the stores new keys, ``verify``
proves over S3 which keys work, ``publish`` hands the new keys to consumers, ``retire`` ends the old ones.

No step keeps a record of its own. Each reads the services first and skips what is done already, so a run that was
killed, doubled or repeated continues from the services' current state.
"""
