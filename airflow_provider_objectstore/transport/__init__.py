"""Execute any call, sync or async, with one retry policy, one rate limiter and one token for each connection."""

from airflow_provider_objectstore.transport.async_client import AsyncClient
from airflow_provider_objectstore.transport.client import Client
from airflow_provider_objectstore.transport.connection import ResolvedConnection

__all__ = ["AsyncClient", "Client", "ResolvedConnection"]
