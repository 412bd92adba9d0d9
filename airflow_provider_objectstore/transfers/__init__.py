"""Operators between two places."""
