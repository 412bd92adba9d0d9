"""
Replacing the S3 credential behind object stores: what stands (``standing``), whether it works (``probe``), what to do.

No step keeps a record of its own. Each reads the services first and does nothing where it is done already, so that a
run that was killed, doubled or repeated goes on from wherever things stand.
"""
