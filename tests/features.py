"""
What the installed Airflow has, told by presence and not by its version.

Each names the version that brought it. When that version is required, the constant goes, and with it the tests of what
was before.
"""

from __future__ import annotations

from importlib.util import find_spec
from inspect import signature

from airflow.jobs.triggerer_job_runner import TriggerCommsDecoder
from airflow.providers_manager import ProvidersManager
from airflow.secrets.environment_variables import EnvironmentVariablesBackend

from airflow_provider_objectstore.compat.tasks import supports_retry_policies
from airflow_provider_objectstore.compat.triggerer import supports_start_from_trigger

DECLARED_FORMS = hasattr(ProvidersManager, "_to_api_format")
"""Airflow 3.2: connection forms come from the provider info."""

PATHS_WITH_CONTAINER = find_spec("upath.extensions") is not None
"""Airflow 3.2, by universal_pathlib 0.3: a path keeps its container, and a target its connection."""

REQUESTS_FROM_THREADS = hasattr(TriggerCommsDecoder, "start_reader")
"""Airflow 3.2.2: a triggerer takes requests from any thread."""

START_FROM_TRIGGER = supports_start_from_trigger()
"""Airflow 3.3: the scheduler starts tasks in the triggerer."""

STATE_STORES = find_spec("airflow.sdk.state") is not None
"""Airflow 3.3: tasks and assets have state stores."""

SHARED_STREAMS = find_spec("airflow.triggers.shared_stream") is not None
"""Airflow 3.3: event triggers share their polls."""

RETRY_POLICIES = supports_retry_policies()
"""Airflow 3.3: a policy decides about a task's retries."""

TEAMS = "team_name" in signature(EnvironmentVariablesBackend.get_conn_value).parameters
"""Airflow 3.2: connections belong to teams."""
