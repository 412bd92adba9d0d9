"""What the tests of connections share."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_objectstore.transport import ResolvedConnection

SECRET = "s3cr3t-Value/+"
PLACE = {"organization_id": "org", "environment_id": "env"}
Resolve = Callable[..., ResolvedConnection]


def origin(connection: ResolvedConnection) -> str:
    """Scheme, host and port of what is not about accounts or statistics."""
    own = ("organization", "environment", "api")
    (one,) = {url[: url.index("/", 8)] for name, url in connection.base_urls.items() if name in own}
    return one
