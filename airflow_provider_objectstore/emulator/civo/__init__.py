"""Civo: object stores and credentials, the buckets on S3 that belong to them, and the operations of its API."""
