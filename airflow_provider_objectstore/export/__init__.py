"""Exports of Object Store v2: their files, and what writes and reads them."""
