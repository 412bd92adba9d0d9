"""What Airflow's command line keeps private."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def command_line(function: Callable[[Any], None]) -> Callable[[Any], None]:
    """
    Return a function of Airflow's command line: without logs, with the configuration of all providers.

    :param function: takes the parsed arguments.
    """
    from airflow.utils.cli import suppress_logs_and_warning  # noqa: TID251
    from airflow.utils.providers_configuration_loader import providers_configuration_loaded  # noqa: TID251

    wrapped: Callable[[Any], None] = suppress_logs_and_warning(providers_configuration_loaded(function))
    return wrapped
