"""The operations of each service, as pure functions that return calls. No I/O, no clock."""
