"""Carries any call, blocking or async, under one retry policy, one pacer and one token."""

from airflow_provider_objectstore.transport.asynchronous import AsyncClient
from airflow_provider_objectstore.transport.blocking import Client
from airflow_provider_objectstore.transport.target import Target

__all__ = ["AsyncClient", "Client", "Target"]
