"""Anypoint: the accounts that issue access tokens, and Object Store v2 with its state and operations."""
