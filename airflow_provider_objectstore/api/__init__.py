"""What each service understands, as data: pure functions that return calls. No I/O, no clock."""
